// Which piece is asked of whom. Rarest first among what a neighbour has and nobody was asked for, ties by chance so
// that neighbours do not all ask for the same one. When a neighbour has nothing of that kind, it is asked for pieces that
// were asked of others, too, but that nobody has begun to send: the parent that gets to it first sends it, and
// the others are told to forget it. So a piece waits for the quickest of several parents, not for the one that
// happened to be asked. A piece that was begun and is overdue is asked of one more.

import { closePiece, type LinkState, mayClaimMore, pieceBytes, type SwarmState } from './state.ts';
import type { SwarmEffect } from './types.ts';

/** Under this a piece is never overdue: a busy process sends no quicker. */
const MIN_OVERDUE_MS = 200;

/** Fills the request windows of the links that something changed for. */
export function fillWindows(state: SwarmState, nowMs: number, effects: SwarmEffect[]): void {
  const { touched } = state;
  if (touched.size === 0) return;
  if (!state.held.isFull) {
    const links = [...touched].filter((link) => nowMs >= link.pausedUntilMs && hasRoom(state, link));
    // Least asked first, so that requests spread over the neighbours.
    if (links.length > 1) links.sort((left, right) => left.asked.size - right.asked.size);
    for (const link of links) fillWindow(state, link, nowMs, effects);
  }
  touched.clear();
}

function fillWindow(state: SwarmState, link: LinkState, nowMs: number, effects: SwarmEffect[]): void {
  while (hasRoom(state, link)) {
    const piece = rarestOpen(state, link) ?? askedElsewhere(state, link, nowMs);
    if (piece === undefined) return;
    ask(state, link, piece, nowMs, effects);
  }
}

function hasRoom(state: SwarmState, link: LinkState): boolean {
  return link.asked.size < 2 || link.askedBytes < state.limits.linkWindowBytes;
}

function ask(state: SwarmState, link: LinkState, piece: number, nowMs: number, effects: SwarmEffect[]): void {
  const bytes = pieceBytes(state, piece);
  link.asked.set(piece, nowMs);
  link.askedBytes += bytes;
  closePiece(state, piece);
  const claimants = state.claims.get(piece);
  if (claimants) claimants.add(link.peer);
  else {
    state.claims.set(piece, new Set([link.peer]));
    state.inFlightBytes += bytes;
  }
  effects.push({ kind: 'request', peer: link.peer, piece });
}

function rarestOpen(state: SwarmState, link: LinkState): number | undefined {
  if (link.wanted === 0 || !mayClaimMore(state)) return undefined;
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

/** Of the pieces that others were asked for and that may come from here as well, the one that was asked of fewest. */
function askedElsewhere(state: SwarmState, link: LinkState, nowMs: number): number | undefined {
  const overdueMs = overdueAfterMs(state);
  const { claimsPerPiece } = state.limits;
  let best: number | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const [piece, claimants] of state.claims) {
    const begun = state.begun.get(piece);
    const most = begun ? (nowMs - begun.atMs >= overdueMs ? 2 : 0) : claimsPerPiece;
    if (claimants.size >= Math.min(most, fewest)) continue;
    if (claimants.has(link.peer) || !link.held.has(piece)) continue;
    fewest = claimants.size;
    best = piece;
  }
  return best;
}

/** Finds the claimed pieces that take too long: they do not keep others from being asked for. */
export function noteStalled(state: SwarmState, nowMs: number): void {
  const overdueMs = overdueAfterMs(state);
  for (const [piece, claimants] of state.claims) {
    const [first] = claimants;
    const askedMs = first === undefined ? undefined : state.links.get(first)?.asked.get(piece);
    const sinceMs = state.begun.get(piece)?.atMs ?? askedMs ?? nowMs;
    if (nowMs - sinceMs >= overdueMs) state.stalled.add(piece);
  }
}

export function overdueAfterMs(state: SwarmState): number {
  const { overdueMs } = state.limits;
  return state.pieceMs === 0
    ? overdueMs
    : Math.min(overdueMs * 4, Math.max(MIN_OVERDUE_MS, state.pieceMs * 3));
}
