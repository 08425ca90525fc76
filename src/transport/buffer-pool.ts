// Buffers for pieces, reused, with a ceiling over all links of a process. Sizes are powers of two, so that one piece
// length needs one size and a freed buffer fits the next piece; a lease shows exactly the bytes asked for. Each has
// a little more than its size, so that frames' heads do not double what a piece's bytes need.
//
// Invariants: leased and kept bytes together never pass the ceiling; requests are served in the order they came
// (a large one is not overtaken by small ones for ever). Reuse matters beyond garbage: memory touched for the first
// time costs about 2 CPU-s/GiB on a VM, ten times what receiving does.

import { assert, KiB, MAX_PIECE_LENGTH_BYTES, MiB } from '../core/index.ts';

/** The ceiling unless told otherwise: six of the largest pieces, of the 256 MiB that a daemon may have resident. */
export const DEFAULT_POOL_BYTES = 96 * MiB;

const MIN_SIZE_BYTES = 64 * KiB;
/** What a buffer holds beyond its size; not counted. */
const EXTRA_BYTES = 256;

export interface Lease {
  readonly bytes: Buffer;
  /** Gives the buffer back; further calls do nothing. The bytes must not be touched after it. */
  release(): void;
}

interface Waiter {
  readonly sizeBytes: number;
  readonly take: (lease: Lease) => void;
}

export class BufferPool {
  readonly ceilingBytes: number;
  readonly #free = new Map<number, Buffer[]>();
  readonly #waiters = new Set<Waiter>();
  #totalBytes = 0;
  #leasedBytes = 0;

  /** The ceiling must hold at least one of the largest pieces (16 MiB), or its taker would wait for ever. */
  constructor(ceilingBytes: number = DEFAULT_POOL_BYTES) {
    assert(ceilingBytes >= MAX_PIECE_LENGTH_BYTES, 'a pool holds at least one piece');
    this.ceilingBytes = ceilingBytes;
  }

  /** Bytes of buffers that exist, leased or kept for reuse. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  get leasedBytes(): number {
    return this.#leasedBytes;
  }

  /** Whether more than half is taken, or somebody waits. */
  get isScarce(): boolean {
    return this.#waiters.size > 0 || this.#leasedBytes * 2 > this.ceilingBytes;
  }

  /** How many are waiting for a buffer. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** A buffer of at most 16 MiB (and 256 bytes) at once; `undefined` where there is none, or others were waiting before. */
  tryAcquire(sizeBytes: number): Lease | undefined {
    assert(
      sizeBytes > 0 && sizeBytes <= MAX_PIECE_LENGTH_BYTES + EXTRA_BYTES,
      `a buffer of ${sizeBytes} bytes`,
    );
    return this.#waiters.size > 0 ? undefined : this.#take(sizeBytes);
  }

  /** A buffer, when it is this caller's turn. Rejects with the signal's reason. */
  acquire(sizeBytes: number, signal: AbortSignal): Promise<Lease> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const lease = this.tryAcquire(sizeBytes);
    if (lease) return Promise.resolve(lease);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        sizeBytes,
        take: (granted) => {
          signal.removeEventListener('abort', giveUp);
          resolve(granted);
        },
      };
      const giveUp = () => {
        this.#waiters.delete(waiter);
        reject(signal.reason as Error);
        this.#serve();
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiters.add(waiter);
    });
  }

  #take(sizeBytes: number): Lease | undefined {
    const size = sizeClass(sizeBytes);
    const buffer = this.#free.get(size)?.pop() ?? this.#allocate(size);
    if (!buffer) return undefined;
    this.#leasedBytes += size;
    let released = false;
    return {
      bytes: buffer.subarray(0, sizeBytes),
      release: () => {
        if (released) return;
        released = true;
        this.#put(buffer);
      },
    };
  }

  #allocate(size: number): Buffer | undefined {
    if (this.#leasedBytes + size > this.ceilingBytes) return undefined;
    while (this.#totalBytes + size > this.ceilingBytes) this.#forgetOne();
    this.#totalBytes += size;
    return Buffer.allocUnsafeSlow(size + EXTRA_BYTES);
  }

  #forgetOne(): void {
    for (const [size, kept] of this.#free) {
      if (kept.pop() === undefined) continue;
      this.#totalBytes -= size;
      return;
    }
    assert(false, 'a pool over its ceiling has free buffers');
  }

  #put(buffer: Buffer): void {
    const size = buffer.length - EXTRA_BYTES;
    this.#leasedBytes -= size;
    const kept = this.#free.get(size);
    if (kept) kept.push(buffer);
    else this.#free.set(size, [buffer]);
    this.#serve();
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      const lease = this.#take(waiter.sizeBytes);
      if (!lease) return;
      this.#waiters.delete(waiter);
      waiter.take(lease);
    }
  }
}

function sizeClass(sizeBytes: number): number {
  let size = MIN_SIZE_BYTES;
  while (size + EXTRA_BYTES < sizeBytes) size *= 2;
  return size;
}
