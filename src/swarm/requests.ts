// What becomes of the pieces that neighbours were asked for: they begin, come whole, or fail.

import type { PeerId } from '../core/index.ts';
import { announce } from './announcements.ts';
import { noteSlow, overdueAfterMs } from './overdue.ts';
import {
  beginClaim,
  type Claim,
  closePiece,
  dropClaim,
  freeLanes,
  type LinkState,
  pieceBytes,
  removeCopies,
  removeCopy,
  type SwarmState,
  touch,
} from './state.ts';
import type { BanReason, RequestFailure, SwarmEffect } from './types.ts';
import { noteTook } from './width.ts';

/** After so many failures in a row a neighbour is asked only for what nobody else has, for a while. */
const FAILING = 3;

/** Who is the only one to send, and does so slowly, is left alone for the time of so many of its pieces. */
const LEFT_ALONE_PIECES = 4;

export function dropLink(state: SwarmState, link: LinkState): void {
  for (const claim of link.asked.slice()) dropClaim(state, link, claim);
  removeCopies(state, link);
  state.holdings.removeRow(link.row);
  state.links.delete(link.peer);
  if (link.isTouched) state.touched.splice(state.touched.indexOf(link), 1);
}

/**
 * The first bytes of a piece came: whoever else was asked for it need not send it. Where two began at once, the second
 * is stopped, unless the first is overdue. With the last lane taken, nobody else need send anything.
 */
export function begun(
  state: SwarmState,
  event: { peer: PeerId; piece: number },
  nowMs: number,
  effects: SwarmEffect[],
): void {
  const link = state.links.get(event.peer);
  const claim = state.claims.get(event.piece);
  if (!link || !claim?.links.includes(link) || claim.senders.includes(link)) return;
  if (claim.senders.length > 0 && !claim.overdue) return cancel(state, link, claim, effects);
  if (claim.senders.length === 0) {
    for (const other of claim.links.slice()) if (other !== link) cancel(state, other, claim, effects);
  }
  const isNewLane = link.current.length === 0;
  beginClaim(state, link, claim, nowMs);
  if (isNewLane) takeLane(state, link, effects);
}

function takeLane(state: SwarmState, taken: LinkState, effects: SwarmEffect[]): void {
  const free = freeLanes(state, taken.isFar);
  touch(state, taken);
  if (free > 0) return;
  for (const link of state.links.values()) {
    if (link.isFar !== taken.isFar) continue;
    // One lane too many, where two began at once: it is given up after this piece.
    const isKept = link === taken ? free === 0 : link.current.length > 0;
    if (!isKept) cancelWaiting(state, link, effects);
  }
}

function cancelWaiting(state: SwarmState, link: LinkState, effects: SwarmEffect[]): void {
  if (link.asked.length === 0) return;
  for (const claim of link.asked.slice()) {
    if (!claim.senders.includes(link)) cancel(state, link, claim, effects);
  }
}

function cancel(state: SwarmState, link: LinkState, claim: Claim, effects: SwarmEffect[]): void {
  effects.push({ kind: 'cancel', peer: link.peer, piece: claim.piece });
  dropClaim(state, link, claim);
}

export function stored(
  state: SwarmState,
  piece: number,
  from: PeerId | 'origin',
  nowMs: number,
  effects: SwarmEffect[],
): void {
  const isNew = state.held.add(piece);
  if (from !== 'origin') noteSuccess(state, from, piece, nowMs, effects);
  cancelClaims(state, piece, from, effects);
  closePiece(state, piece);
  state.lastProgressMs = nowMs;
  if (!isNew) return;
  if (from === 'origin' && state.lease) state.lease.readBytes += pieceBytes(state, piece);
  if ((state.copies[piece] ?? 0) === 0) state.sole.add(piece);
  if (from === 'origin' && state.sole.has(piece)) state.unshared.add(piece);
  announce(state, piece, nowMs, effects);
}

function noteSuccess(
  state: SwarmState,
  peer: PeerId,
  piece: number,
  nowMs: number,
  effects: SwarmEffect[],
): void {
  const link = state.links.get(peer);
  const claim = state.claims.get(piece);
  if (!link) return;
  link.failures = 0;
  link.stalled = false;
  if (!claim?.senders.includes(link)) return;
  const tookMs = nowMs - claim.begunMs;
  if (tookMs >= overdueAfterMs(state)) noteSlow(state, link, nowMs);
  // The first came alone; the next share the link.
  if (state.pieceMs === 0) state.pieceMs = tookMs * state.limits.lanes;
  else state.pieceMs = state.pieceMs * 0.9 + tookMs * 0.1;
  if (!link.isFar) fitLanes(state, link, tookMs, nowMs, effects);
}

function fitLanes(
  state: SwarmState,
  link: LinkState,
  tookMs: number,
  nowMs: number,
  effects: SwarmEffect[],
): void {
  const finding = noteTook(state.lanes, tookMs, state.pace.usualMs, nowMs);
  if (finding === 'changed') endSurplusLanes(state, effects);
  if (finding !== 'narrowest') return;
  // It may be the neighbour's link that is slow: the lane goes to another.
  link.pausedUntilMs = Math.max(link.pausedUntilMs, nowMs + LEFT_ALONE_PIECES * tookMs);
  cancelWaiting(state, link, effects);
}

/** Lanes that are too many end with the piece that is on its way. */
function endSurplusLanes(state: SwarmState, effects: SwarmEffect[]): void {
  let near = 0;
  for (const link of state.active) {
    if (link.isFar || link.stalled) continue;
    near += 1;
    if (near > state.lanes.now) cancelWaiting(state, link, effects);
  }
}

/** The piece is not wanted any more; who brought it need not be told. */
export function cancelClaims(
  state: SwarmState,
  piece: number,
  bringer: PeerId | 'origin',
  effects: SwarmEffect[],
): void {
  const claim = state.claims.get(piece);
  if (!claim) return;
  for (const link of claim.links.slice()) {
    if (link.peer === bringer) dropClaim(state, link, claim);
    else cancel(state, link, claim, effects);
  }
}

export function requestFailed(
  state: SwarmState,
  event: { peer: PeerId; piece: number; reason: RequestFailure; retryAfterMs: number },
  nowMs: number,
  effects: SwarmEffect[],
): void {
  const { peer, piece, reason, retryAfterMs } = event;
  const link = state.links.get(peer);
  const claim = state.claims.get(piece);
  if (!link) return;
  if (claim) dropClaim(state, link, claim);
  if (reason === 'corrupt') return ban(state, link, piece, reason, effects);
  if (reason === 'unproven') return doubt(state, link, piece, nowMs, effects);
  if (reason === 'not-held') {
    removeCopy(state, link, piece);
    return;
  }
  link.failures += 1;
  if (reason === 'error' && link.failures >= FAILING) noteSlow(state, link, nowMs);
  const backOffMs = reason === 'busy' ? retryAfterMs : 0;
  link.pausedUntilMs = nowMs + Math.max(backOffMs, Math.min(10_000, 50 * 2 ** link.failures));
}

/**
 * It may have a grant that is not known here yet, so a few times are forgiven: after the first it is left alone for a
 * while, which doubles with each. What was under way then counts as one.
 */
function doubt(
  state: SwarmState,
  link: LinkState,
  piece: number,
  nowMs: number,
  effects: SwarmEffect[],
): void {
  if (nowMs < link.pausedUntilMs) return;
  const times = (state.unproven.get(link.peer) ?? 0) + 1;
  state.unproven.set(link.peer, times);
  const { maxUnproven, probationMs } = state.limits;
  if (times > maxUnproven) return ban(state, link, piece, 'unproven', effects);
  link.pausedUntilMs = nowMs + probationMs * 2 ** (times - 1);
}

function ban(
  state: SwarmState,
  link: LinkState,
  piece: number,
  reason: BanReason,
  effects: SwarmEffect[],
): void {
  dropLink(state, link);
  state.dials.delete(link.peer);
  state.banned.add(link.peer);
  effects.push({ kind: 'ban', peer: link.peer, piece, reason });
}
