// Pieces that we asked the remote for. Every request is answered exactly once: by the whole piece or by a reject; a
// cancelled one, too, but what still comes of it is dropped.
//
// Invariants: nothing is taken that was not asked for, with the size that was asked for; one piece is under way at a
// time and its chunks fill it in order; a buffer is taken from the pool when a piece begins, not when it is asked
// for, and given back when the request is cancelled or the link ends; where the pool has none, the link stops reading. A
// buffer that the socket may still read into is given back only when the socket has another, or is closed.

import {
  AnaxError,
  assert,
  KiB,
  MAX_PIECE_LENGTH_BYTES,
  type PieceHasher,
  type PieceProof,
} from '../core/index.ts';
import type { BufferPool, Lease } from './buffer-pool.ts';
import { CHUNK_HEAD_BYTES } from './frame-types.ts';
import {
  PeerReject,
  type PieceMessage,
  type RejectMessage,
  type RequestMessage,
  violation,
} from './messages.ts';
import { type PieceId, pieceKey } from './piece-key.ts';

export interface PieceRequest extends PieceId {
  readonly sizeBytes: number;
  /** Aborting cancels at the remote; the promise rejects with the signal's reason at once. */
  readonly signal?: AbortSignal;
  /** Called when the piece begins to come; its proof comes first. */
  readonly onBegun?: (proof: PieceProof) => void;
}

/** A piece as it came, not verified. Whoever gets it must call `release` when done with `bytes`. */
export interface ReceivedPiece {
  readonly bytes: Buffer;
  readonly proof: PieceProof;
  /** BLAKE3 of the bytes, where the transport was given a hasher. */
  readonly digest: Uint8Array | undefined;
  release(): void;
}

interface Expectation {
  readonly request: PieceRequest;
  /** Undefined once the caller has gone. */
  waiting: { resolve(piece: ReceivedPiece): void; reject(error: Error): void } | undefined;
  readonly forget: () => void;
  /** Called when the remote has said its last word on it, or the link ended with an error. */
  readonly onAnswered: ((error?: AnaxError) => void)[];
}

interface Arriving {
  readonly expectation: Expectation;
  readonly message: PieceMessage;
  /** Undefined while the pool has none, and for a piece that is dropped. */
  lease: Lease | undefined;
  readonly poolWait: AbortController;
  receivedBytes: number;
  readonly hasher: PieceHasher | undefined;
  hashedBytes: number;
}

/** Nobody waits for the buffer any more. One for all: an abort without a reason makes an error with its stack. */
const DROPPED = new AnaxError('interrupted', 'the piece is dropped');

/** Little enough that it is still in the processor's cache, and enough that a call costs nothing beside it. */
const HASH_STEP_BYTES = 128 * KiB;

export interface PieceReceiverOptions {
  readonly pool: BufferPool;
  /** For `ReceivedPiece.digest`. */
  readonly createHasher: (() => PieceHasher) | undefined;
  readonly maxRequests: number;
  readonly send: (message: RequestMessage) => void;
}

export class PieceReceiver {
  readonly #options: PieceReceiverOptions;
  readonly #expected = new Map<number, Expectation>();
  #arriving: Arriving | undefined;
  /** What the socket reads into, and whether its piece was dropped meanwhile. */
  #placed: { readonly lease: Lease; dropped: boolean } | undefined;
  /** When a chunk of the piece under way came last. */
  lastProgressAtMs = 0;

  constructor(options: PieceReceiverOptions) {
    this.#options = options;
  }

  get outstanding(): number {
    return this.#expected.size;
  }

  get isArriving(): boolean {
    return this.#arriving !== undefined;
  }

  /** See `PeerLink.requestPiece`. */
  request(request: PieceRequest): Promise<ReceivedPiece> {
    const { signal, sizeBytes } = request;
    assert(sizeBytes > 0 && sizeBytes <= MAX_PIECE_LENGTH_BYTES, `a piece of ${sizeBytes} bytes`);
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const known = this.#expected.get(pieceKey(request));
    assert(!known?.waiting, 'a piece is asked for once at a time');
    if (known) return this.#requestAfter(known, request);
    if (this.#expected.size >= this.#options.maxRequests) {
      const limit = `${this.#options.maxRequests} requests are unanswered on this link`;
      return Promise.reject(new AnaxError('limit_exceeded', limit));
    }
    return new Promise((resolve, reject) => {
      const cancel = () => this.#cancel(expectation);
      const forget = () => signal?.removeEventListener('abort', cancel);
      const waiting = { resolve, reject };
      const expectation: Expectation = { request, waiting, forget, onAnswered: [] };
      signal?.addEventListener('abort', cancel, { once: true });
      this.#expected.set(pieceKey(request), expectation);
      this.#options.send({ kind: 'request', channel: request.channel, piece: request.piece });
    });
  }

  /** The piece was cancelled a moment ago, and the remote has not said its last word on that. */
  #requestAfter(cancelled: Expectation, request: PieceRequest): Promise<ReceivedPiece> {
    const { signal } = request;
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(signal?.reason as Error);
      signal?.addEventListener('abort', giveUp, { once: true });
      cancelled.onAnswered.push((error) => {
        signal?.removeEventListener('abort', giveUp);
        if (error) reject(error);
        else if (!signal?.aborted) this.request(request).then(resolve, reject);
      });
    });
  }

  #cancel(expectation: Expectation): void {
    const { request } = expectation;
    const { waiting } = expectation;
    expectation.waiting = undefined;
    waiting?.reject(request.signal?.reason as Error);
    this.#options.send({ kind: 'cancel', channel: request.channel, piece: request.piece });
    if (this.#arriving?.expectation === expectation) this.#dropArriving(this.#arriving);
  }

  #dropArriving(arriving: Arriving): void {
    arriving.poolWait.abort(DROPPED);
    if (this.#placed && this.#placed.lease === arriving.lease) this.#placed.dropped = true;
    else arriving.lease?.release();
    arriving.lease = undefined;
  }

  /** A piece begins. The promise, where there is one, is for the link to wait on before it reads any further. */
  begin(message: PieceMessage, nowMs: number): Promise<void> | undefined {
    if (this.#arriving) throw violation('a piece begins inside another');
    const expectation = this.#expected.get(pieceKey(message));
    if (!expectation) throw violation(`piece ${message.piece} was not asked for`);
    if (message.sizeBytes !== expectation.request.sizeBytes) {
      throw violation(`a piece of ${message.sizeBytes} bytes, not ${expectation.request.sizeBytes}`);
    }
    const arriving: Arriving = {
      expectation,
      message,
      lease: undefined,
      poolWait: new AbortController(),
      receivedBytes: 0,
      hasher: this.#options.createHasher?.(),
      hashedBytes: 0,
    };
    this.#arriving = arriving;
    this.lastProgressAtMs = nowMs;
    if (!expectation.waiting) return undefined;
    expectation.request.onBegun?.(message.proof);
    // The caller may have cancelled at once.
    if (!expectation.waiting) return undefined;
    arriving.lease = this.#options.pool.tryAcquire(message.sizeBytes);
    return arriving.lease ? undefined : this.#waitForBuffer(arriving);
  }

  async #waitForBuffer(arriving: Arriving): Promise<void> {
    const { signal } = arriving.poolWait;
    try {
      const lease = await this.#options.pool.acquire(arriving.message.sizeBytes, signal);
      if (signal.aborted) lease.release();
      else arriving.lease = lease;
    } catch (error) {
      // Cancelled while waiting: the piece will be dropped as it comes.
      if (!signal.aborted) throw error;
    }
  }

  chunk(channel: number, piece: number, sizeBytes: number): void {
    const arriving = this.#arriving;
    if (!arriving || arriving.message.channel !== channel || arriving.message.piece !== piece) {
      throw violation('a chunk of a piece that is not under way');
    }
    if (arriving.receivedBytes + sizeBytes > arriving.message.sizeBytes) throw violation('a chunk too many');
  }

  /**
   * The place for the next bytes of the chunk under way and for the head after them; the place of before is free again.
   * The head is overwritten by the payload that it announces, so a piece's last chunk has no room for one.
   */
  place(sizeBytes: number): Buffer | undefined {
    if (this.#placed?.dropped) this.#placed.lease.release();
    this.#placed = undefined;
    if (sizeBytes === 0 || !this.#arriving?.lease) return undefined;
    const { lease, receivedBytes } = this.#arriving;
    this.#placed = { lease, dropped: false };
    return lease.bytes.subarray(receivedBytes, receivedBytes + sizeBytes + CHUNK_HEAD_BYTES);
  }

  chunkBytes(source: Buffer, start: number, end: number): void {
    const arriving = this.#arriving;
    assert(arriving, 'chunk bytes belong to a piece');
    const { lease, receivedBytes } = arriving;
    arriving.receivedBytes += end - start;
    if (!lease) return;
    if (!isAt(lease.bytes, receivedBytes, source, start)) source.copy(lease.bytes, receivedBytes, start, end);
    const { hasher } = arriving;
    if (!hasher || arriving.receivedBytes - arriving.hashedBytes < HASH_STEP_BYTES) return;
    hasher.update(lease.bytes.subarray(arriving.hashedBytes, arriving.receivedBytes));
    arriving.hashedBytes = arriving.receivedBytes;
  }

  chunkEnd(nowMs: number): void {
    const arriving = this.#arriving;
    assert(arriving, 'a chunk belongs to a piece');
    this.lastProgressAtMs = nowMs;
    if (arriving.receivedBytes < arriving.message.sizeBytes) return;
    this.#arriving = undefined;
    this.#settle(arriving.expectation);
    arriving.expectation.waiting?.resolve(toPiece(arriving));
  }

  rejected(message: RejectMessage): void {
    const expectation = this.#expected.get(pieceKey(message));
    if (!expectation) throw violation('a reject of what was not asked for');
    if (this.#arriving) {
      if (this.#arriving.expectation === expectation) {
        this.#dropArriving(this.#arriving);
        this.#arriving = undefined;
      }
    }
    this.#settle(expectation);
    expectation.waiting?.reject(new PeerReject(message.code, message.retryAfterMs));
  }

  #settle(expectation: Expectation): void {
    this.#expected.delete(pieceKey(expectation.request));
    expectation.forget();
    for (const onAnswered of expectation.onAnswered) onAnswered();
  }

  /** The link ended. */
  close(error: AnaxError): void {
    if (this.#arriving) this.#dropArriving(this.#arriving);
    this.#arriving = undefined;
    for (const expectation of this.#expected.values()) {
      expectation.forget();
      expectation.waiting?.reject(error);
      for (const onAnswered of expectation.onAnswered) onAnswered(error);
    }
    this.#expected.clear();
  }
}

/** Whether `source` from `start` on is `target` from `offset` on. */
function isAt(target: Buffer, offset: number, source: Buffer, start: number): boolean {
  return target.buffer === source.buffer && target.byteOffset + offset === source.byteOffset + start;
}

function toPiece({ lease, message, hasher, hashedBytes }: Arriving): ReceivedPiece {
  assert(lease, 'a piece that somebody waits for has a buffer');
  const { bytes } = lease;
  if (hasher && hashedBytes < bytes.length) hasher.update(bytes.subarray(hashedBytes));
  return { bytes, proof: message.proof, digest: hasher?.digest(), release: () => lease.release() };
}
