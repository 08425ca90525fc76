// The body of a large answer, received into two buffers that take turns: one is filled while the other is read. What the
// reader does not take stays in the kernel, and TCP holds the sender. Knows no HTTP.

import { KiB } from '../core/index.ts';

/** Each of the two. With 512 KiB a wake-up of the reader is for some 300 KiB on a fast link. */
const HALF_BYTES = 512 * KiB;

/** A body that may be read once. */
export interface LargeBody extends AsyncIterable<Uint8Array> {
  /** Reads and throws away what is left, at most `limit` bytes of it. */
  dump(options: { readonly limit: number }): Promise<void>;
  /** Closes the connection. Idempotent. */
  destroy(): void;
}

export async function dumpBody(body: AsyncIterable<Uint8Array>, limit: number): Promise<void> {
  let left = limit;
  for await (const chunk of body) {
    left -= chunk.length;
    if (left <= 0) break;
  }
}

interface Half {
  readonly bytes: Buffer;
  filled: number;
  taken: number;
}

export class BulkBody implements LargeBody {
  readonly #halves: readonly [Half, Half] = [createHalf(), createHalf()];
  /** Which half is being filled, and which is being read. */
  #filling: 0 | 1 = 0;
  #reading: 0 | 1 = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  readonly #resume: () => void;
  readonly #stop: () => void;

  /** `resume` asks for bytes again after `received` said no; `stop` for none any more. */
  constructor(resume: () => void, stop: () => void) {
    this.#resume = resume;
    this.#stop = stop;
  }

  /** Where the next bytes go, once there is room. Good for one read, which may be as long as it. */
  get target(): Buffer {
    const { bytes, filled } = this.#halves[this.#filling];
    return bytes.subarray(filled % HALF_BYTES);
  }

  /** Bytes have come into `target`; whether there is room for more at once. */
  received(bytes: number): boolean {
    const half = this.#halves[this.#filling];
    half.filled += bytes;
    this.#wake?.();
    if (half.filled < HALF_BYTES) return true;
    this.#filling = this.#filling === 0 ? 1 : 0;
    return this.#halves[this.#filling].filled === 0;
  }

  /** Bytes that have come and were not taken, without taking them. */
  peek(): Buffer {
    const { bytes, taken, filled } = this.#halves[this.#reading];
    return bytes.subarray(taken, filled);
  }

  /** Takes bytes off the front. */
  skip(bytes: number): void {
    this.#halves[this.#reading].taken += bytes;
  }

  /** No more will come, or what came was not all. The first word counts: a body that came whole is not cut by its connection's end. */
  end(error?: Error): void {
    if (!this.#ended) this.#error = error;
    this.#ended = true;
    this.#wake?.();
  }

  destroy(): void {
    this.#stop();
    this.end();
  }

  async dump({ limit }: { readonly limit: number }): Promise<void> {
    await dumpBody(this, limit);
  }

  /** Chunks are good until the next is asked for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.peek();
        if (chunk.length > 0) {
          yield chunk;
          this.skip(chunk.length);
          this.#turnIfRead();
        } else if (this.#ended) {
          if (this.#error) throw this.#error;
          return;
        } else await this.#more();
      }
    } finally {
      this.destroy();
    }
  }

  /** A half that is read to its end can be filled again. */
  #turnIfRead(): void {
    const half = this.#halves[this.#reading];
    if (half.taken < HALF_BYTES) return;
    const wasFull = this.#filling === this.#reading;
    half.taken = 0;
    half.filled = 0;
    this.#reading = this.#reading === 0 ? 1 : 0;
    if (wasFull) this.#resume();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

function createHalf(): Half {
  return { bytes: Buffer.allocUnsafeSlow(HALF_BYTES), filled: 0, taken: 0 };
}
