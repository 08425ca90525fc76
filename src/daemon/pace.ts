// Keeps a stream of bytes under a rate, on a clock of one's own.

import type { Clock } from '../core/index.ts';
import type { ByteRate } from '../transport/index.ts';

/** The time of a clock as a `ByteRate` takes it. */
export function nanoseconds(clock: Clock): bigint {
  return BigInt(Math.round(clock.now() * 1e6));
}

/** Waits until bytes that were taken fit the rate. */
export async function pace(rate: ByteRate, clock: Clock, bytes: number, signal: AbortSignal): Promise<void> {
  let turn = rate.book(bytes, nanoseconds(clock));
  for (;;) {
    const waitMs = rate.waitMs(turn, nanoseconds(clock));
    if (waitMs === 0) return;
    await clock.sleep(waitMs, signal);
    if (rate.isVoid(turn)) turn = rate.book(bytes, nanoseconds(clock));
  }
}
