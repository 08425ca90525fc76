// Which blobs make room for a new one: the least recently used. Pure.

import type { Digest } from '../core/index.ts';

export interface Capacity {
  readonly bytes: number;
  /** Shares of `bytes`: eviction begins where a new blob would pass `high`, and goes on down to `low`. */
  readonly high: number;
  readonly low: number;
}

export interface EvictionCandidate {
  readonly digest: Digest;
  /** What its eviction gives back. */
  readonly usedBytes: number;
  readonly lastUsedAtMs: number;
}

/**
 * What to try to evict so that `neededBytes` more fit, oldest use first, one after the other: each is to be answered by
 * whether it could be. `usedBytes` is all that the store takes.
 */
export function* chooseEvictions(
  candidates: readonly EvictionCandidate[],
  usedBytes: number,
  neededBytes: number,
  capacity: Capacity,
): Generator<Digest, void, boolean> {
  let left = usedBytes + neededBytes;
  if (left <= capacity.bytes * capacity.high) return;
  for (const candidate of candidates.toSorted((a, b) => a.lastUsedAtMs - b.lastUsedAtMs)) {
    if (left <= capacity.bytes * capacity.low) return;
    if (yield candidate.digest) left -= candidate.usedBytes;
  }
}
