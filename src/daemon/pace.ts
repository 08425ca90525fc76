// Keeps a stream of bytes under a rate.

import type { Clock } from '../core/index.ts';
import type { RateLimiter } from '../transport/index.ts';

/** Waits until bytes that were taken fit the rate. */
export async function pace(
  limiter: RateLimiter,
  clock: Clock,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  const position = limiter.book(bytes, clock.now());
  for (let ms = limiter.waitMs(position, clock.now()); ms > 0; ms = limiter.waitMs(position, clock.now())) {
    await clock.sleep(ms, signal);
  }
}
