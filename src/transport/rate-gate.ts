// Waiting at a rate limiter: the timers that the limiter itself does without. Its time is `performance.now`; a limiter
// that is told any other by somebody else lets nothing pass.

import { setTimeout as sleep } from 'node:timers/promises';
import type { RateLimiter } from './rate-limiter.ts';

export class RateGate {
  readonly #limiter: RateLimiter | undefined;

  /** Open where there is no limiter. */
  constructor(limiter: RateLimiter | undefined) {
    this.#limiter = limiter;
  }

  stepBytes(maxBytes: number): number {
    return this.#limiter?.stepBytes(maxBytes) ?? maxBytes;
  }

  /** `undefined` where the bytes may pass at once; else a promise of when. Rejects with the signal's reason. */
  pass(bytes: number, signal: AbortSignal): Promise<void> | undefined {
    const limiter = this.#limiter;
    if (!limiter) return undefined;
    const position = limiter.book(bytes, performance.now());
    const waitMs = limiter.waitMs(position, performance.now());
    return waitMs === 0 ? undefined : wait(limiter, position, waitMs, signal);
  }
}

async function wait(
  limiter: RateLimiter,
  position: number,
  firstMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (let waitMs = firstMs; waitMs > 0; waitMs = limiter.waitMs(position, performance.now())) {
    try {
      await sleep(waitMs, undefined, { signal });
    } catch (error) {
      throw signal.aborted ? (signal.reason as Error) : error;
    }
  }
}
