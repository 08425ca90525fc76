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
  readonly sizeBytes: number;
  readonly lastUsedAtMs: number;
}

/** What to evict so that `neededBytes` more fit, oldest use first. `usedBytes` is all that the store holds. */
export function chooseEvictions(
  candidates: readonly EvictionCandidate[],
  usedBytes: number,
  neededBytes: number,
  capacity: Capacity,
): Digest[] {
  if (usedBytes + neededBytes <= capacity.bytes * capacity.high) return [];
  const chosen: Digest[] = [];
  let left = usedBytes + neededBytes;
  for (const { digest, sizeBytes } of candidates.toSorted((a, b) => a.lastUsedAtMs - b.lastUsedAtMs)) {
    if (left <= capacity.bytes * capacity.low) break;
    chosen.push(digest);
    left -= sizeBytes;
  }
  return chosen;
}
