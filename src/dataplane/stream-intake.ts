// Gathers a stream into pieces in the thread that it runs in.

import { assert, type FileSpan, type PieceHasher, type PieceIntake } from '../core/index.ts';
import { PieceWriter } from './piece-writer.ts';

const NOTHING = new Uint8Array();

export interface IntakeDeps {
  readonly createHasher: () => PieceHasher;
  readonly writer: PieceWriter;
  /** How long bytes are gathered before they are told of; 0: chunk by chunk. With more, only whoever made the stream can end it at once. */
  readonly gatherMs: number;
}

/** Makes intakes for streams whose bytes come into this thread. */
export function createLocalIntakes(createHasher: () => PieceHasher) {
  const writer = new PieceWriter();
  return (stream: AsyncIterable<Uint8Array>, capacityBytes: number): PieceIntake =>
    new StreamIntake(stream, Buffer.allocUnsafeSlow(capacityBytes), { createHasher, writer, gatherMs: 0 });
}

/** One buffer: a piece is put away before the next begins. Chunks of the stream are good until the next is asked for. */
export class StreamIntake implements PieceIntake {
  readonly #deps: IntakeDeps;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #buffer: Buffer;
  #hasher: PieceHasher;
  #filled = 0;
  /** Of the last chunk, what was not taken. */
  #rest: Uint8Array = NOTHING;
  #next: Promise<IteratorResult<Uint8Array>> | undefined;

  /** The buffer is as long as the longest piece, or longer. */
  constructor(stream: AsyncIterable<Uint8Array>, buffer: Buffer, deps: IntakeDeps) {
    this.#deps = deps;
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#buffer = buffer;
    this.#hasher = deps.createHasher();
  }

  async gather(at: number, limit: number): Promise<number> {
    if (at === 0) this.#clear();
    assert(at === this.#filled && at + limit <= this.#buffer.length, 'a piece is gathered in order');
    let taken = this.#take(await this.#chunk(), limit);
    const untilMs = performance.now() + this.#deps.gatherMs;
    while (taken > 0 && taken < limit && performance.now() < untilMs) {
      const more = this.#take(await this.#chunk(untilMs), limit - taken);
      if (more === 0) break;
      taken += more;
    }
    return taken;
  }

  /** What is left of the last chunk, or the next one; empty at the end of the stream, or where there is none by then. */
  async #chunk(untilMs?: number): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      // One that was not waited for to the end is waited for the next time, and so is its failure.
      this.#next ??= this.#chunks.next();
      const next = untilMs === undefined ? await this.#next : await settledBy(this.#next, untilMs);
      if (next === undefined || next.done) return NOTHING;
      this.#next = undefined;
      this.#rest = next.value;
    }
    return this.#rest;
  }

  #take(chunk: Uint8Array, limit: number): number {
    const bytes = chunk.subarray(0, limit);
    this.#rest = chunk.subarray(bytes.length);
    this.#add(bytes);
    return bytes.length;
  }

  /** Hashed while it is warm. */
  #add(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#filled);
    this.#hasher.update(bytes);
    this.#filled += bytes.length;
  }

  async refill(bytes: Uint8Array): Promise<void> {
    this.#clear();
    assert(bytes.length <= this.#buffer.length, 'a piece fits its buffer');
    this.#add(bytes);
  }

  #clear(): void {
    this.#filled = 0;
    this.#hasher = this.#deps.createHasher();
  }

  async digest(): Promise<Uint8Array> {
    return this.#hasher.digest();
  }

  async bytes(): Promise<Uint8Array> {
    return this.#buffer.subarray(0, this.#filled);
  }

  async put(place: FileSpan): Promise<void> {
    await this.#deps.writer.put(place, await this.bytes());
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

/** What a promise gives by then; `undefined` where it has not, or failed. */
async function settledBy<Value>(promise: Promise<Value>, untilMs: number): Promise<Value | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), Math.max(0, untilMs - performance.now()));
  try {
    return await Promise.race([promise, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
