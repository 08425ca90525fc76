// What this host gives to others: carries out the upload queue's decisions over the links.

import {
  type Clock,
  hasCode,
  type Logger,
  type PeerId,
  type PieceProof,
  type PieceSpan,
  toAnaxError,
} from '../core/index.ts';
import type { DataLink } from '../dataplane/index.ts';
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
  type WishView,
  waitsUntilMs,
} from '../swarm/index.ts';

/** A held piece that may be given on. */
export interface ServablePiece {
  readonly sizeBytes: number;
  readonly proof: PieceProof;
  /** Where it is now. Throws where it is not held any more. Release it. */
  span(): PieceSpan;
  /** Its file is not what was stored. */
  onDamage(): void;
}

interface Asked extends Wish {
  readonly link: DataLink;
  readonly source: ServablePiece;
  readonly view: PieceView;
}

/** See `WishView`, for one piece. */
export interface PieceView {
  rarity(): number;
  hasUnsent(wasSent: (piece: number) => boolean): boolean;
  usualMs(): number;
}

const VIEW: WishView = {
  rarityOf: (wish) => (wish as Asked).view.rarity(),
  hasUnsent: (wish, wasSent) => (wish as Asked).view.hasUnsent(wasSent),
  usualMs: (wish) => (wish as Asked).view.usualMs(),
};

/** When a refused child may ask again. */
const BUSY_RETRY_MS = 250;

export class Uploads {
  readonly #queue: UploadQueue = createUploadQueue();
  readonly #logger: Logger;
  readonly #clock: Clock;
  #wakeUp: NodeJS.Timeout | undefined;
  bytesSent = 0;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
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
    const nowMs = this.#clock.now();
    for (let wish = nextWish(this.#queue, VIEW, nowMs); wish; wish = nextWish(this.#queue, VIEW, nowMs)) {
      void this.#serve(wish as Asked);
    }
    const untilMs = waitsUntilMs(this.#queue);
    if (untilMs === undefined || this.#wakeUp) return;
    this.#wakeUp = setTimeout(() => this.#wake(), Math.max(1, Math.ceil(untilMs - nowMs)));
    this.#wakeUp.unref();
  }

  #wake(): void {
    this.#wakeUp = undefined;
    this.#pump();
  }

  async #serve(wish: Asked): Promise<void> {
    const { peer, piece, source } = wish;
    let isSent = false;
    try {
      await this.#send(wish);
      isSent = true;
      this.bytesSent += source.sizeBytes;
    } catch (error) {
      if (hasCode(error, 'piece_corrupt')) source.onDamage();
      this.#logger.debug('piece not sent', { peer, piece, code: toAnaxError(error).code });
    } finally {
      endServe(this.#queue, wish, isSent, this.#clock.now());
      this.#pump();
    }
  }

  async #send({ peer, link, channel, piece, source }: Asked): Promise<void> {
    const { sizeBytes, proof } = source;
    let place: PieceSpan;
    try {
      place = source.span();
    } catch (error) {
      link.send({ kind: 'reject', channel, piece, code: 'not-held', retryAfterMs: 0 });
      throw error;
    }
    try {
      const onStalled = (): void => {
        stallServe(this.#queue, peer);
        this.#pump();
      };
      await link.servePiece({ channel, piece, sizeBytes, proof, place, onStalled });
    } finally {
      place.release();
    }
  }
}
