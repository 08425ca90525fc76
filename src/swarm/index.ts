// L1: one host's share of a swarm, and of what it gives to others. Pure machines.

export { hashOf } from './imports.ts';
export { unreadSpans } from './lease-share.ts';
export { DEFAULT_SWARM_LIMITS, type SwarmLimits } from './limits.ts';
export { mayActOnHaves, step } from './machine.ts';
export { usualServeMs } from './pace.ts';
export {
  createSwarmState,
  heldCount,
  isStarved,
  type SwarmOptions,
  type SwarmState,
} from './state.ts';
export {
  createSuccession,
  hearNews,
  type MemberNews,
  newsOf,
  type SelfFacts,
  type SuccessionEffect,
  type SuccessionState,
  successionTick,
  type Vote,
  vote,
  voteReceived,
} from './succession.ts';
export type { ReadPace, RequestFailure, SwarmEffect, SwarmEvent } from './types.ts';
export { Untold } from './untold.ts';
export {
  addWish,
  createUploadQueue,
  endServe,
  nextWish,
  removeChild,
  removeWish,
  stallServe,
  type UploadLimits,
  type UploadQueue,
  type Wish,
  type WishView,
  waitsUntilMs,
} from './upload-queue.ts';
export { hasUnsent, rarityFor } from './wishes.ts';
