// A reader's channel to a host that lends it one blob (docs/adr/0011); lender.ts is the other end.

import {
  AnaxError,
  assert,
  type BlobKey,
  type Clock,
  hasCode,
  type MappedBlob,
  type PeerId,
  type PeerInfo,
  type PieceProof,
  pieceCount,
  pieceSize,
} from '../core/index.ts';
import type { PutPiece } from '../dataplane/index.ts';
import { type IncomingMessage, PeerReject } from '../transport/index.ts';
import { complain } from './complaints.ts';
import type { Channel, ChannelOwner, PeerLinks } from './peer-links.ts';

/** How long a holder may take to open the channel, or to begin to send a piece that it was asked for. */
const PATIENCE_MS = 15_000;
/** Least wait after a holder said that it is busy. */
const BUSY_MS = 50;

type LandPiece = (proof: PieceProof, put: PutPiece) => Promise<void>;

export interface HolderDeps {
  readonly links: PeerLinks;
  readonly clock: Clock;
}

/** A blob, and what it is asked for by. */
interface Asked {
  readonly key: BlobKey;
  readonly blob: MappedBlob;
}

export class HolderChannel implements ChannelOwner {
  readonly peer: PeerId;
  readonly #key: BlobKey;
  readonly #blob: MappedBlob;
  readonly #deps: HolderDeps;
  readonly #opened = Promise.withResolvers<void>();
  readonly #ended = new AbortController();
  #channel: Channel | undefined;

  private constructor(deps: HolderDeps, holder: PeerInfo, { key, blob }: Asked) {
    this.#key = key;
    this.#deps = deps;
    this.peer = holder.id;
    this.#blob = blob;
    this.#opened.promise.catch(() => undefined);
  }

  /** Throws where the holder can't be reached, refuses, or does not answer. */
  static async open(
    deps: HolderDeps,
    holder: PeerInfo,
    asked: Asked,
    signal: AbortSignal,
  ): Promise<HolderChannel> {
    const made = new HolderChannel(deps, holder, asked);
    const link = await deps.links.connect(holder, signal);
    made.#channel = deps.links.openChannel(link, made, asked.key, pieceCount(asked.blob));
    const giveUp = (): void => made.close();
    const late = setTimeout(giveUp, PATIENCE_MS);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await made.#opened.promise;
    } finally {
      clearTimeout(late);
      signal.removeEventListener('abort', giveUp);
    }
    return made;
  }

  // A holder of the whole blob: no more is to be said of what it holds.
  onOpen(): void {}

  onMessage({ link, id }: Channel, message: IncomingMessage): void {
    if (message.kind === 'opened') this.#opened.resolve();
    else if (message.kind === 'refused' || message.kind === 'close') this.onClosed();
    else if (message.kind === 'request') {
      link.send({ kind: 'reject', channel: id, piece: message.piece, code: 'not-held', retryAfterMs: 0 });
    }
  }

  onClosed(): void {
    const error = new AnaxError('peer_refused', 'the blob is not to be had from this peer');
    this.#ended.abort(error);
    this.#opened.reject(error);
  }

  /**
   * Gets a piece and has it landed. Waits while the holder is busy. Throws where it does not come, or is not what its own
   * digest says.
   */
  async fetch(index: number, signal: AbortSignal, land: LandPiece): Promise<void> {
    for (;;) {
      try {
        await this.#fetchOnce(index, signal, land);
        return;
      } catch (error) {
        if (!isBusy(error)) throw error;
        await this.#deps.clock.sleep(Math.max(BUSY_MS, error.retryAfterMs ?? 0), signal);
      }
    }
  }

  async #fetchOnce(index: number, signal: AbortSignal, land: LandPiece): Promise<void> {
    assert(this.#channel, 'a piece is asked for once the channel is open');
    const { link, id } = this.#channel;
    // A piece that has begun is the link's to give up.
    const unbegun = new AbortController();
    const late = setTimeout(() => unbegun.abort(silent()), PATIENCE_MS);
    try {
      const outcome = await link.fetchPiece({
        channel: id,
        piece: index,
        sizeBytes: pieceSize(this.#blob, index),
        signal: AbortSignal.any([signal, this.#ended.signal, unbegun.signal]),
        onBegun: () => {
          clearTimeout(late);
          return true;
        },
        land,
      });
      if (outcome === 'landed') return;
    } finally {
      clearTimeout(late);
    }
    // Its disk may have rotted: it shall look, so that others don't get the same.
    await complain(link, this.#key, index, signal);
    throw new AnaxError('piece_corrupt', `piece ${index} of ${this.#blob.digest}`);
  }

  /** Idempotent. */
  close(): void {
    if (this.#channel) this.#deps.links.closeChannel(this.#channel);
    this.onClosed();
  }
}

/** The holder says so, or its link has as many requests as it takes. */
function isBusy(error: unknown): error is AnaxError {
  return hasCode(error, 'limit_exceeded') || (error instanceof PeerReject && error.reason === 'busy');
}

function silent(): AnaxError {
  return new AnaxError('peer_refused', `nothing came within ${PATIENCE_MS / 1000} s`);
}
