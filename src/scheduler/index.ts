// L1: the scheduler's decisions, pure.

export type { SchedulerLimits } from './limits.ts';
export {
  createSchedulerState,
  isCondemned as isPeerCondemned,
  type SchedulerOptions,
  type SchedulerState,
} from './state.ts';
export { step } from './step.ts';
export type { FoundBlob, LeaseClaim, SchedulerEffect, SchedulerEvent } from './types.ts';
export { hasPeer, ignoredCounts, peerViews, type SwarmView, swarmViews } from './views.ts';
