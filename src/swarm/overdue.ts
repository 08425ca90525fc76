// Begun pieces that take too long: when they count as overdue, and what follows.

import { type LinkState, openPiece, type SwarmState } from './state.ts';
import type { SwarmEffect } from './types.ts';

/** Under this a piece is never overdue: a busy process sends no quicker. */
const MIN_OVERDUE_MS = 200;

/** The same when nothing else is left to ask for: then a second request costs nothing but bytes. */
const MIN_OVERDUE_AT_END_MS = 50;

/** The most: at 1 Mbit/s over three lanes a piece of 1 MiB takes 25 s. */
const MAX_OVERDUE_MS = 60_000;

/** Finds the begun pieces that take too long: one more is asked for them, and their lane is given to somebody else. */
export function noteOverdue(state: SwarmState, nowMs: number): void {
  const overdueMs = overdueAfterMs(state);
  for (const link of state.active) {
    for (const claim of link.current) {
      if (nowMs - claim.begunMs < overdueMs) continue;
      claim.overdue = true;
      openPiece(state, claim.piece);
      link.stalled = true;
      noteSlow(state, link, nowMs);
    }
  }
}

/**
 * At the end nothing else may happen until the next tick: asks to be woken when the first of the begun pieces is due.
 * One such wish is out at a time.
 */
export function lookWhenDue(state: SwarmState, nowMs: number, effects: SwarmEffect[]): void {
  if (state.open.count > 0 || state.isLookAsked) return;
  let begunMs = Number.POSITIVE_INFINITY;
  for (const link of state.active) {
    for (const claim of link.current) if (!claim.overdue) begunMs = Math.min(begunMs, claim.begunMs);
  }
  if (begunMs === Number.POSITIVE_INFINITY) return;
  state.isLookAsked = true;
  // Whole milliseconds, as timers have them: a little less would find nothing and ask again.
  effects.push({ kind: 'look', afterMs: Math.max(1, Math.ceil(begunMs + overdueAfterMs(state) - nowMs)) });
}

/** It is spared for a while, unless it alone has something. */
export function noteSlow(state: SwarmState, link: LinkState, nowMs: number): void {
  link.slowUntilMs = nowMs + state.limits.spareSlowMs;
}

export function overdueAfterMs(state: SwarmState): number {
  const { overdueMs } = state.limits;
  if (state.pieceMs === 0) return overdueMs;
  const leastMs = state.open.count === 0 ? MIN_OVERDUE_AT_END_MS : MIN_OVERDUE_MS;
  return Math.min(MAX_OVERDUE_MS, Math.max(leastMs, state.pieceMs * 3));
}
