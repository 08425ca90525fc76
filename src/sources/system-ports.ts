// The machine's clock, for where the caller passes none. Tests pass their own.

import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../core/index.ts';

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }),
};
