// Time that only goes forward, at the pace of the machine: what is due after a while must not wait an hour, or come at
// once, because somebody set the machine's clock. It begins at the time of the clock when the process started.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../core/index.ts';

export const steadyClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
};
