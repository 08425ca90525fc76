// How quickly neighbours get their pieces, by what they tell of themselves: what a piece takes over one lane of a link of
// the usual rate. Against that a host finds whether its own link is slow, without a word more to anybody.

import type { PeerId } from '../core/index.ts';
import type { SwarmState } from './state.ts';

/** What is known of it. It is counted in stretches of time, each as long as most neighbours need for some pieces. */
export interface Pace {
  sinceMs: number;
  /** By the row of each neighbour that was there when the stretch began: how many pieces it held then. */
  readonly before: Map<number, number>;
  /** What a piece takes over one lane of a link of the usual rate; 0 where that is not known. */
  usualMs: number;
  /** Rows of neighbours that got far fewer pieces in the last stretch than is usual. */
  readonly slow: Set<number>;
}

/** Pieces that most neighbours gain in a stretch: fewer say little. */
const MIN_GAINED = 8;

/** Of fewer neighbours none is usual. */
const MIN_NEIGHBOURS = 3;

/** Who gains less than this part of what is usual is slow. */
const SLOW_PART = 0.6;

export function createPace(): Pace {
  return { sinceMs: 0, before: new Map(), usualMs: 0, slow: new Set() };
}

/** Ends a stretch that has lasted long enough, and begins the next. Only neighbours of this zone that lack something count. */
export function notePace({ pace, links, holdings, limits }: SwarmState, nowMs: number): void {
  const gains = new Map<number, number>();
  for (const { row, isFar } of links.values()) {
    const before = pace.before.get(row);
    if (before === undefined || isFar || holdings.isFull(row)) continue;
    gains.set(row, holdings.count(row) - before);
  }
  const isKnown = gains.size >= MIN_NEIGHBOURS;
  const usual = isKnown ? median([...gains.values()]) : 0;
  if (isKnown && usual < MIN_GAINED) return;
  pace.usualMs = isKnown ? (limits.lanes * (nowMs - pace.sinceMs)) / usual : 0;
  pace.slow.clear();
  for (const [row, gained] of gains) if (gained < SLOW_PART * usual) pace.slow.add(row);
  pace.sinceMs = nowMs;
  pace.before.clear();
  for (const { row } of links.values()) pace.before.set(row, holdings.count(row));
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;
}

/** What a serve to a neighbour should take; 0 where that is not known, or where its own link is slow. */
export function usualServeMs({ pace, links }: SwarmState, peer: PeerId): number {
  const link = links.get(peer);
  return link && !link.isFar && !pace.slow.has(link.row) ? pace.usualMs : 0;
}
