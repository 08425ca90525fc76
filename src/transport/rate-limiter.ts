// A token bucket over bytes, shared by all links of a direction. Pure: time comes in as an argument. Bytes get a
// position in one line, and pass when the bucket has got that far: first come, first served, over any number of
// links. The rate can change at any time, also for those who stand in line already.

import { KiB } from '../core/index.ts';

/** What may pass at once after an idle time: 100 ms at the rate, within bounds. */
const BURST_MS = 100;
const MIN_BURST_BYTES = 16 * KiB;
const MAX_BURST_BYTES = 4 * 1024 * KiB;
/** A sender's step takes about this long at the rate, so that links alternate. */
const STEP_MS = 50;
const MIN_STEP_BYTES = 16 * KiB;
/** Waits are no longer than this, so that a change of the rate is felt. */
const MAX_WAIT_MS = 250;

export class RateLimiter {
  #bytesPerSecond: number | undefined;
  /** Bytes that were put in line, ever. */
  #booked = 0;
  /** Bytes that may have passed by `#atMs`; ahead of `#booked` by a burst at most. */
  #allowed = 0;
  #atMs: number;

  /** No limit where `bytesPerSecond` is undefined. */
  constructor(bytesPerSecond: number | undefined, nowMs: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#atMs = nowMs;
    this.#allowed = this.#burst();
  }

  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond;
  }

  setRate(bytesPerSecond: number | undefined, nowMs: number): void {
    this.#advance(nowMs);
    this.#bytesPerSecond = bytesPerSecond;
    this.#allowed = Math.min(this.#allowed, this.#booked + this.#burst());
  }

  /** Puts bytes in line, and returns their position for `waitMs`. */
  book(bytes: number, nowMs: number): number {
    this.#advance(nowMs);
    this.#booked += bytes;
    return this.#booked;
  }

  /** How long the bytes at a position have to wait; ask again after that. 0: go. At most 250 ms. */
  waitMs(position: number, nowMs: number): number {
    if (this.#bytesPerSecond === undefined) return 0;
    this.#advance(nowMs);
    const missing = position - this.#allowed;
    // A thousandth of a byte: floating point must not make a waiter come back for nothing.
    if (missing <= 0.001) return 0;
    return Math.min(MAX_WAIT_MS, Math.max(1, (missing * 1000) / this.#bytesPerSecond));
  }

  /** How much to send in one step, at most `maxBytes`. */
  stepBytes(maxBytes: number): number {
    if (this.#bytesPerSecond === undefined) return maxBytes;
    const step = Math.floor((this.#bytesPerSecond * STEP_MS) / 1000);
    return Math.min(maxBytes, Math.max(MIN_STEP_BYTES, step));
  }

  #burst(): number {
    const burst = ((this.#bytesPerSecond ?? 0) * BURST_MS) / 1000;
    return Math.min(MAX_BURST_BYTES, Math.max(MIN_BURST_BYTES, burst));
  }

  #advance(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = Math.max(this.#atMs, nowMs);
    const gained = this.#bytesPerSecond === undefined ? Infinity : (elapsedMs * this.#bytesPerSecond) / 1000;
    this.#allowed = Math.min(this.#allowed + gained, this.#booked + this.#burst());
  }
}
