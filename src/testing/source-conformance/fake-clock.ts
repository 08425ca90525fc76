// A clock that only moves when told to, or by what sleeps on it: waits cost no time and are on record.

import type { Clock } from '../../core/index.ts';

export interface FakeClock extends Clock {
  /** Every wait that was asked for, in milliseconds. */
  readonly sleeps: number[];
  advance(ms: number): void;
}

/** `startMs` is since the epoch. */
export function createFakeClock(startMs = Date.UTC(2026, 9, 1)): FakeClock {
  let nowMs = startMs;
  const sleeps: number[] = [];
  return {
    sleeps,
    now: () => nowMs,
    advance: (ms) => {
      nowMs += ms;
    },
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      sleeps.push(ms);
      nowMs += ms;
    },
  };
}
