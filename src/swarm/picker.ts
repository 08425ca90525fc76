// Which piece is asked of whom. Rarest first among what a neighbour has and nobody was asked for, ties by chance so
// that neighbours do not all ask for the same one. When nothing is left to ask for, pieces that are overdue with
// somebody else are asked for a second time (the endgame, and the hedge against a straggler).

import { type LinkState, pieceBytes, type SwarmState } from './state.ts';
import type { SwarmEffect } from './types.ts';

/** Under this a request is never overdue: a busy process answers no quicker. */
const MIN_OVERDUE_MS = 200;

/** Fills the request windows of all links. */
export function fillWindows(state: SwarmState, nowMs: number, effects: SwarmEffect[]): void {
  if (state.held.isFull || state.links.size === 0) return;
  for (const link of linksByLoad(state)) fillWindow(state, link, nowMs, effects);
}

/** Least asked first, so that requests spread over the neighbours. */
function linksByLoad(state: SwarmState): LinkState[] {
  return [...state.links.values()].sort((a, b) => a.asked.size - b.asked.size);
}

function fillWindow(state: SwarmState, link: LinkState, nowMs: number, effects: SwarmEffect[]): void {
  if (nowMs < link.pausedUntilMs) return;
  while (hasRoom(state, link)) {
    const piece = rarestOpen(state, link) ?? overdueElsewhere(state, link, nowMs);
    if (piece === undefined) return;
    ask(state, link, piece, nowMs, effects);
  }
}

function hasRoom(state: SwarmState, link: LinkState): boolean {
  const { maxInFlightBytes, linkWindowBytes } = state.limits;
  if (state.inFlightBytes >= maxInFlightBytes) return false;
  if (link.asked.size < 2) return true;
  let bytes = 0;
  for (const piece of link.asked.keys()) bytes += pieceBytes(state, piece);
  return bytes < linkWindowBytes;
}

function ask(state: SwarmState, link: LinkState, piece: number, nowMs: number, effects: SwarmEffect[]): void {
  link.asked.set(piece, nowMs);
  state.inFlightBytes += pieceBytes(state, piece);
  state.open.delete(piece);
  const claimants = state.claims.get(piece);
  if (claimants) claimants.add(link.peer);
  else state.claims.set(piece, new Set([link.peer]));
  effects.push({ kind: 'request', peer: link.peer, piece });
}

function rarestOpen(state: SwarmState, link: LinkState): number | undefined {
  let best: number | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  let ties = 0;
  for (const piece of state.open) {
    if (!link.held.has(piece)) continue;
    const copies = state.copies[piece] ?? 0;
    if (copies > fewest) continue;
    ties = copies < fewest ? 1 : ties + 1;
    if (copies < fewest || state.random() * ties < 1) best = piece;
    fewest = copies;
  }
  return best;
}

/** The piece that was asked for longest ago of one other neighbour only, if it is overdue. */
function overdueElsewhere(state: SwarmState, link: LinkState, nowMs: number): number | undefined {
  const patienceMs = overdueAfterMs(state);
  let oldest = nowMs - patienceMs;
  let found: number | undefined;
  for (const [piece, claimants] of state.claims) {
    if (claimants.size !== 1 || claimants.has(link.peer) || !link.held.has(piece)) continue;
    const [claimant] = claimants;
    const askedMs = claimant === undefined ? nowMs : (state.links.get(claimant)?.asked.get(piece) ?? nowMs);
    if (askedMs > oldest) continue;
    oldest = askedMs;
    found = piece;
  }
  return found;
}

function overdueAfterMs(state: SwarmState): number {
  const { overdueMs } = state.limits;
  return state.pieceMs === 0
    ? overdueMs
    : Math.min(overdueMs * 4, Math.max(MIN_OVERDUE_MS, state.pieceMs * 3));
}
