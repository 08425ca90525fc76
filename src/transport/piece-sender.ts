// Pieces that the remote asked us for. Every request is answered exactly once: by the piece, or by a reject; a piece
// that was begun may end in a reject instead of its last chunk.
//
// Invariants: one piece is on the wire at a time, its chunks in order; the next step is read while the one before is
// written, and no more, so a link holds two step buffers at most; no more is written than the window allows, and who
// waits for it holds no buffer; a request counts as answered when its last chunk is
// handed to the writer, since the remote may ask for the piece again as soon as it has it.

import { type AnaxError, assert, KiB, toAnaxError } from '../core/index.ts';
import type { BufferPool, Lease } from './buffer-pool.ts';
import { PeerReject, type RejectCode, type RejectMessage, violation } from './messages.ts';
import { type PieceId, pieceKey, pieceOfKey } from './piece-key.ts';
import { addPing, MAX_STEP_BYTES, type PieceToSend, readStep, stepBufferBytes } from './piece-step.ts';
import type { RateGate } from './rate-gate.ts';
import { SendWindow } from './send-window.ts';
import type { SpanReader } from './span-reader.ts';

/**
 * What is sent of a piece to a remote that was sent nothing before, until it says that it has that. A remote asks several
 * for the same piece and cancels all but the first that begins; so what the others send for nothing is this much, where
 * it was a window (measured: as many pieces were begun and cancelled as were sent).
 */
const FIRST_STEP_BYTES = 16 * KiB;

/** Why a piece is not sent after all: one for all, since most pieces that are begun end so, and an error costs its stack. */
const WITHDRAWN = { cancelled: new PeerReject('cancelled'), closed: new PeerReject('closed') };

/** When to ask again after a `busy` for too many requests. */
const BUSY_RETRY_MS = 100;

interface Job {
  readonly item: PieceToSend;
  readonly stop: AbortController;
  readonly done: () => void;
  readonly failed: (error: Error) => void;
  /** `onStalled` was called. */
  isStalled: boolean;
}

/** A wait for the remote to take something. */
interface Room {
  readonly isOpen: () => boolean;
  readonly opened: PromiseWithResolvers<void>;
  sinceMs: number;
}

export interface PieceSenderOptions {
  /** For step buffers. */
  readonly pool: BufferPool;
  readonly spans: SpanReader;
  readonly maxRequests: number;
  readonly gate: RateGate;
  readonly reject: (message: RejectMessage) => void;
  readonly bulk: (frames: Buffer) => Promise<void>;
}

export class PieceSender {
  readonly #options: PieceSenderOptions;
  /** Requests without an answer, and the job of those that are being answered. */
  readonly #asked = new Map<number, Job | undefined>();
  readonly #queue: Job[] = [];
  /** Answers that are not over: waiting, read, or written. */
  readonly #jobs = new Set<Job>();
  #pumping = false;
  /** The write of the step before, of whatever piece. Never rejects. */
  #lastWrite: Promise<void> = Promise.resolve();
  #isWriting = false;
  readonly #window = new SendWindow();
  /** Somebody waits for the window since then, or since the last pong. */
  #room: Room | undefined;

  constructor(options: PieceSenderOptions) {
    this.#options = options;
  }

  /** Requests of the remote without an answer. */
  get unanswered(): number {
    return this.#asked.size;
  }

  /** How long the remote has taken nothing of what is on its way, while more waits; 0 where nothing waits. */
  waitingForMs(nowMs: number): number {
    return this.#room ? nowMs - this.#room.sinceMs : 0;
  }

  /** The remote has read up to the ping with this token. */
  taken(token: number, nowMs: number): void {
    this.#window.taken(token, nowMs);
    if (!this.#room) return;
    this.#room.sinceMs = nowMs;
    if (this.#room.isOpen()) this.#room.opened.resolve();
  }

  /** Notes a request; whether the owner is to hear of it (else it is answered). */
  requested(id: PieceId): boolean {
    const key = pieceKey(id);
    if (this.#asked.has(key)) throw violation(`piece ${id.piece} is asked for twice`);
    if (this.#asked.size >= this.#options.maxRequests) {
      this.#sendReject(id, 'busy', BUSY_RETRY_MS);
      return false;
    }
    this.#asked.set(key, undefined);
    return true;
  }

  /** Answers a request by no. Nothing happens where it is answered already. */
  reject(message: RejectMessage): void {
    const key = pieceKey(message);
    if (!this.#asked.has(key)) return;
    assert(!this.#asked.get(key), 'a piece is sent or rejected, not both');
    this.#asked.delete(key);
    this.#options.reject(message);
  }

  /** The remote does not want a piece any more. It may have it already. */
  cancelled(id: PieceId): void {
    this.#withdraw(pieceKey(id), id, 'cancelled');
  }

  /** Answers all requests of a channel that is closed. */
  channelClosed(channel: number): void {
    for (const key of this.#asked.keys()) {
      const id = pieceOfKey(key);
      if (id.channel === channel) this.#withdraw(key, id, 'closed');
    }
  }

  #withdraw(key: number, id: PieceId, code: keyof typeof WITHDRAWN): void {
    if (!this.#asked.has(key)) return;
    const job = this.#asked.get(key);
    if (job) {
      job.stop.abort(WITHDRAWN[code]);
      const at = this.#queue.indexOf(job);
      // Under way: the pump sees the abort between two steps, or in a wait, and rejects.
      if (at === -1) return this.#room?.opened.resolve();
      this.#queue.splice(at, 1);
      job.failed(WITHDRAWN[code]);
    }
    this.#asked.delete(key);
    this.#sendReject(id, code, 0);
  }

  #sendReject(id: PieceId, code: RejectCode, retryAfterMs: number): void {
    this.#options.reject({ kind: 'reject', channel: id.channel, piece: id.piece, code, retryAfterMs });
  }

  /** See `PeerLink.sendPiece`. */
  send(item: PieceToSend): Promise<void> {
    const key = pieceKey(item);
    if (!this.#asked.has(key)) return Promise.reject(WITHDRAWN.cancelled);
    assert(!this.#asked.get(key), 'a request is answered once');
    return new Promise((resolve, reject) => {
      const job: Job = {
        item,
        stop: new AbortController(),
        done: () => {
          this.#jobs.delete(job);
          resolve();
        },
        failed: (error) => {
          this.#jobs.delete(job);
          reject(error);
        },
        isStalled: false,
      };
      this.#jobs.add(job);
      this.#asked.set(key, job);
      this.#queue.push(job);
      void this.#pump();
    });
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    let isFirst = true;
    for (let job = this.#queue.shift(); job; job = this.#queue.shift()) {
      try {
        await this.#transmit(job, isFirst);
        isFirst = false;
      } catch (error) {
        await this.#fail(job, error);
      }
    }
    this.#pumping = false;
  }

  /** The remote has taken nothing for a while: who sends to it may serve others meanwhile. */
  stalled(): void {
    for (const job of this.#jobs) {
      if (job.isStalled) continue;
      job.isStalled = true;
      job.item.onStalled?.();
    }
  }

  /**
   * `isFirst` where nothing was sent right before: then the piece begins with a small step. Waits only for what is not
   * there: each wait is a turn of the event loop's queue, and most steps need none.
   */
  async #transmit({ item, stop, done, failed }: Job, isFirst: boolean): Promise<void> {
    const { gate, pool, spans } = this.#options;
    for (let offset = 0; offset < item.sizeBytes; ) {
      const isTrial = isFirst && offset === 0;
      if (isFirst && offset === FIRST_STEP_BYTES && !this.#window.isEmpty)
        await this.#waitUntil(() => this.#window.isEmpty, stop.signal);
      if (!this.#window.hasRoom) await this.#waitUntil(() => this.#window.hasRoom, stop.signal);
      const wanted = isTrial ? FIRST_STEP_BYTES : this.#window.stepBytes;
      const mostBytes = gate.stepBytes(Math.min(MAX_STEP_BYTES, wanted));
      const stepBytes = Math.min(mostBytes, item.sizeBytes - offset);
      const turn = gate.pass(stepBytes, stop.signal);
      if (turn) await turn;
      // Reading ahead is for times of plenty: a remote that takes nothing must not hold more than it needs.
      if (pool.isScarce) await this.#lastWrite;
      const bufferBytes = stepBufferBytes(stepBytes);
      const lease = pool.tryAcquire(bufferBytes) ?? (await pool.acquire(bufferBytes, stop.signal));
      let frames: Buffer;
      try {
        const reading = readStep(item, offset, stepBytes, lease.bytes, spans);
        frames = reading instanceof Promise ? await reading : reading;
        if (this.#isWriting) await this.#lastWrite;
        stop.signal.throwIfAborted();
        const nowMs = performance.now();
        const token = isTrial ? this.#window.probed(stepBytes, nowMs) : this.#window.wrote(stepBytes, nowMs);
        if (token !== undefined) frames = addPing(frames, token);
      } catch (error) {
        lease.release();
        throw error;
      }
      offset += stepBytes;
      if (offset === item.sizeBytes) this.#asked.delete(pieceKey(item));
      const write = this.#write(frames, lease);
      if (offset === item.sizeBytes) void settleWith(write, done, failed);
    }
  }

  /** Resolves with the pong that opens it; rejects when the piece is withdrawn. */
  async #waitUntil(isOpen: () => boolean, signal: AbortSignal): Promise<void> {
    this.#room = { isOpen, opened: Promise.withResolvers(), sinceMs: performance.now() };
    await this.#room.opened.promise;
    this.#room = undefined;
    signal.throwIfAborted();
  }

  #write(frames: Buffer, lease: Lease): Promise<void> {
    const write = this.#options.bulk(frames);
    const over = (): void => {
      this.#isWriting = false;
      lease.release();
    };
    this.#isWriting = true;
    this.#lastWrite = write.then(over, over);
    return write;
  }

  async #fail({ item, stop, failed }: Job, error: unknown): Promise<void> {
    // A reject is a control frame, which overtakes bulk: it must not overtake chunks of the same piece.
    await this.#lastWrite;
    const reason: unknown = stop.signal.aborted ? stop.signal.reason : error;
    this.#asked.delete(pieceKey(item));
    this.#sendReject(item, reason instanceof PeerReject ? reason.reason : 'error', 0);
    failed(reason instanceof PeerReject ? reason : toAnaxError(error));
  }

  /** The link ended. */
  close(error: AnaxError): void {
    for (const job of this.#asked.values()) job?.stop.abort(error);
    this.#room?.opened.resolve();
    for (const job of this.#queue.splice(0)) job.failed(error);
    this.#asked.clear();
  }
}

async function settleWith(
  write: Promise<void>,
  done: () => void,
  failed: (error: Error) => void,
): Promise<void> {
  try {
    await write;
    done();
  } catch (error) {
    failed(toAnaxError(error));
  }
}
