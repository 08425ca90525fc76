// Waiting at a rate: the clock and the timers that the rate itself does without.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ByteRate } from './byte-rate.ts';

export class RateGate {
  readonly #rate: ByteRate;

  constructor(rate: ByteRate) {
    this.#rate = rate;
  }

  stepBytes(maxBytes: number): number {
    return this.#rate.stepBytes(maxBytes);
  }

  /** `undefined` where the bytes may pass at once; else a promise of when. Rejects with the signal's reason. */
  pass(bytes: number, signal: AbortSignal): Promise<void> | undefined {
    if (this.#rate.bytesPerSecond === undefined) return undefined;
    const turn = this.#rate.book(bytes, nowNs());
    return this.#rate.waitMs(turn, nowNs()) === 0 ? undefined : this.#wait(bytes, turn, signal);
  }

  async #wait(bytes: number, first: ReturnType<ByteRate['book']>, signal: AbortSignal): Promise<void> {
    let turn = first;
    for (let ms = this.#rate.waitMs(turn, nowNs()); ms > 0; ms = this.#rate.waitMs(turn, nowNs())) {
      try {
        await sleep(ms, undefined, { signal });
      } catch (error) {
        throw signal.aborted ? (signal.reason as Error) : error;
      }
      if (this.#rate.isVoid(turn)) turn = this.#rate.book(bytes, nowNs());
    }
  }
}

/** One clock for all threads; `performance.now()` counts from each thread's own start. */
export function nowNs(): bigint {
  return process.hrtime.bigint();
}
