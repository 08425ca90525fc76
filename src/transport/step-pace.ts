// How much to write at once to a remote: less to one that takes it slowly, so that what is held for it, and what a
// control frame or a cancel has to wait for, stays little.

import { KiB } from '../core/index.ts';
import { MAX_STEP_BYTES } from './piece-step.ts';

export const MIN_STEP_BYTES = 64 * KiB;
const SLOW_WRITE_MS = 500;
const QUICK_WRITE_MS = 100;

export class StepPace {
  /** For the next step. */
  stepBytes = MAX_STEP_BYTES;

  /** A step was taken by the kernel after this time. */
  wrote(tookMs: number): void {
    if (tookMs > SLOW_WRITE_MS) this.stepBytes = Math.max(MIN_STEP_BYTES, this.stepBytes / 2);
    else if (tookMs < QUICK_WRITE_MS) this.stepBytes = Math.min(MAX_STEP_BYTES, this.stepBytes * 2);
  }
}
