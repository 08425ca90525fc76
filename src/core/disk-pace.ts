// Whether a thread may make a file's reads and writes itself. What the page cache answers takes less time than another
// thread takes to wake, and the bytes stay in the processor's cache; where the disk has to be waited for, a thread of the
// pool does that. Nothing tells beforehand, so the last one that was slow does. Pure: time comes in as an argument.

import { KiB } from './bytes.ts';

/** 256 MB/s: a page cache gives and takes several times that, and who is slower is waiting for a disk. */
const SLOW_BYTES_PER_MS = 256 * KiB;
/** A pause of the thread among others is no slow disk. */
const ALLOWED_MS = 5;
/** How long the pool is left to it after that. */
const AVOID_MS = 1000;

export class DiskPace {
  #avoidUntilMs = Number.NEGATIVE_INFINITY;

  isQuick(nowMs: number): boolean {
    return nowMs >= this.#avoidUntilMs;
  }

  /** Notes what a read or write of this thread took. */
  took(bytes: number, beganMs: number, endedMs: number): void {
    const isSlow = endedMs - beganMs > ALLOWED_MS + bytes / SLOW_BYTES_PER_MS;
    if (isSlow) this.#avoidUntilMs = endedMs + AVOID_MS;
  }
}
