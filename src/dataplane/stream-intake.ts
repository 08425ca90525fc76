// Gathers a stream into pieces in the thread that it runs in.

import { assert, type FileSpan, type PieceHasher, type PieceIntake } from '../core/index.ts';
import { PieceWriter } from './piece-writer.ts';

const NOTHING = new Uint8Array();

export interface IntakeDeps {
  readonly createHasher: () => PieceHasher;
  readonly writer: PieceWriter;
}

/** Makes intakes for streams whose bytes come into this thread. */
export function createLocalIntakes(createHasher: () => PieceHasher) {
  const writer = new PieceWriter();
  return (stream: AsyncIterable<Uint8Array>, capacityBytes: number): PieceIntake =>
    new StreamIntake(stream, capacityBytes, { createHasher, writer });
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

  constructor(stream: AsyncIterable<Uint8Array>, capacityBytes: number, deps: IntakeDeps) {
    this.#deps = deps;
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#buffer = Buffer.allocUnsafeSlow(capacityBytes);
    this.#hasher = deps.createHasher();
  }

  async gather(at: number, limit: number): Promise<number> {
    if (at === 0) this.#clear();
    assert(at === this.#filled && at + limit <= this.#buffer.length, 'a piece is gathered in order');
    if (this.#rest.length === 0 && !(await this.#next())) return 0;
    const bytes = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(bytes.length);
    this.#add(bytes);
    return bytes.length;
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

  /** Hashed while it is warm. */
  #add(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#filled);
    this.#hasher.update(bytes);
    this.#filled += bytes.length;
  }

  /** Whether there is a chunk. */
  async #next(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return false;
      this.#rest = next.value;
    }
    return true;
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
