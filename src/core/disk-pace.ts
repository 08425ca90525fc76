// Whether a thread may make a file's reads and writes itself. What the page cache answers takes less time than another
// thread takes to wake, and the bytes stay in the processor's cache; where the disk has to be waited for, a thread of the
// pool does that. Nothing tells beforehand, so the last ones do. Pure: time comes in as an argument.

import { KiB } from './bytes.ts';

/** 256 MB/s: a page cache gives and takes several times that, and who is slower is waiting for a disk. */
const SLOW_BYTES_PER_MS = 256 * KiB;
/** A pause of the thread among others is no slow disk. */
const ALLOWED_MS = 5;
/**
 * Nor is a longer one: where more threads run than there are processors, some wait longer than that for their turn. A
 * disk that is waited for is slow again and again.
 */
const SLOW_IN_A_ROW = 2;
/** How long the pool is left to it after that. */
const AVOID_MS = 1000;

export class DiskPace {
  #avoidUntilMs = Number.NEGATIVE_INFINITY;
  #slowInARow = 0;

  isQuick(nowMs: number): boolean {
    return nowMs >= this.#avoidUntilMs;
  }

  /** Notes what a read or write of this thread took. */
  took(bytes: number, beganMs: number, endedMs: number): void {
    const isSlow = endedMs - beganMs > ALLOWED_MS + bytes / SLOW_BYTES_PER_MS;
    this.#slowInARow = isSlow ? this.#slowInARow + 1 : 0;
    if (this.#slowInARow < SLOW_IN_A_ROW) return;
    this.#slowInARow = 0;
    this.#avoidUntilMs = endedMs + AVOID_MS;
  }
}
