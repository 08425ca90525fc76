// What this host gives to others: carries out the upload queue's decisions over the links.

import { AnaxError, type Logger, type PeerId, type PieceProof } from '../core/index.ts';
import {
  addWish,
  createUploadQueue,
  endServe,
  nextWish,
  removeChild,
  removeWish,
  stallServe,
  type UploadQueue,
  type Wish,
} from '../swarm/index.ts';
import type { PeerLink } from '../transport/index.ts';

/** A held piece that may be given on. */
export interface ServablePiece {
  readonly sizeBytes: number;
  readonly proof: PieceProof;
  read(offset: number, target: Uint8Array): Promise<void>;
}

interface Asked extends Wish {
  readonly link: PeerLink;
  readonly source: ServablePiece;
  /** How many neighbours hold the piece now. */
  readonly copies: () => number;
}

/** When a refused child may ask again. */
const BUSY_RETRY_MS = 250;

export class Uploads {
  readonly #queue: UploadQueue = createUploadQueue();
  readonly #logger: Logger;
  bytesSent = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  ask(wish: Asked): void {
    if (!addWish(this.#queue, wish)) {
      const { channel, piece } = wish;
      wish.link.send({ kind: 'reject', channel, piece, code: 'busy', retryAfterMs: BUSY_RETRY_MS });
      return;
    }
    this.#pump();
  }

  cancel(peer: PeerId, channel: number, piece: number): void {
    removeWish(this.#queue, peer, channel, piece);
  }

  forget(peer: PeerId): void {
    removeChild(this.#queue, peer);
  }

  #pump(): void {
    for (;;) {
      const wish = nextWish(this.#queue, (candidate) => (candidate as Asked).copies());
      if (!wish) return;
      void this.#serve(wish as Asked);
    }
  }

  async #serve(wish: Asked): Promise<void> {
    const { peer, link, channel, piece, source } = wish;
    let isSent = false;
    try {
      await link.sendPiece({
        channel,
        piece,
        sizeBytes: source.sizeBytes,
        proof: source.proof,
        read: (offset, target) => source.read(offset, target),
        onStalled: () => {
          stallServe(this.#queue, peer);
          this.#pump();
        },
      });
      isSent = true;
      this.bytesSent += source.sizeBytes;
    } catch (error) {
      const code = error instanceof AnaxError ? error.code : String(error);
      this.#logger.debug('piece not sent', { peer, piece, code });
    } finally {
      endServe(this.#queue, wish, isSent);
      this.#pump();
    }
  }
}
