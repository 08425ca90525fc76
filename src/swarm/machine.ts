// One host's share of one snapshot's swarm, as a pure machine: what was heard goes in, what to do comes out. No clock,
// no chance but the seeded one, no socket, no file: the shell in src/daemon and the simulator run this same code.
//
// Invariants: a piece is announced only after `stored`; a piece in a running origin read of this host is asked of
// nobody; in-flight bytes stay under their limit; a banned peer is neither asked nor dialled.

import { assert, type Bitfield, type PeerId, type PeerInfo, type Range, unreachable } from '../core/index.ts';
import { tellProgress, yieldLease } from './lease-share.ts';
import { endLease, endRead, forgetRuns, loseLease, paceReads, startReads, takeLease } from './origin.ts';
import { fillWindows, noteStalled, overdueAfterMs } from './picker.ts';
import {
  addCopy,
  closePiece,
  dropClaim,
  isBeingRead,
  type LinkState,
  openPiece,
  pieceBytes,
  removeCopies,
  removeCopy,
  type SwarmState,
  touchAll,
} from './state.ts';
import type { BanReason, RequestFailure, SwarmEffect, SwarmEvent } from './types.ts';

/** Changes the state by one event and says what to do about it. Deterministic. */
export function step(state: SwarmState, event: SwarmEvent, nowMs: number): SwarmEffect[] {
  const effects: SwarmEffect[] = [];
  apply(state, event, nowMs, effects);
  startReads(state, effects);
  fillWindows(state, nowMs, effects);
  endLease(state, effects);
  paceReads(state, nowMs, effects);
  return effects;
}

function apply(state: SwarmState, event: SwarmEvent, nowMs: number, effects: SwarmEffect[]): void {
  switch (event.kind) {
    case 'neighbours':
      return addNeighbours(state, event.peers, nowMs, effects);
    case 'linkUp':
      return linkUp(state, event.peer, event.held, nowMs);
    case 'linkDown':
      return linkDown(state, event.peer, nowMs);
    case 'have':
      return have(state, event.peer, event.pieces, nowMs);
    case 'begun':
      return begun(state, event.peer, event.piece, nowMs, effects);
    case 'stored':
      return stored(state, event.piece, event.from, nowMs, effects);
    case 'requestFailed':
      return requestFailed(state, event, nowMs, effects);
    case 'lease':
      return takeLease(state, event.epoch, event.spans, nowMs);
    case 'leaseLost':
      return loseLease(state);
    case 'yieldLease':
      return yieldLease(state, event.epoch, nowMs, effects);
    case 'readEnded':
      return endRead(state, event.readId, event.error);
    case 'abandon':
      return abandon(state, event.pieces, effects);
    case 'dropped':
      return dropped(state, event.pieces);
    case 'tick':
      noteStalled(state, nowMs);
      touchAll(state);
      tellProgress(state, nowMs, effects);
      return redial(state, nowMs, effects);
    default:
      return unreachable(event);
  }
}

function addNeighbours(
  state: SwarmState,
  peers: readonly PeerInfo[],
  nowMs: number,
  effects: SwarmEffect[],
): void {
  for (const info of peers) {
    if (info.id === state.self || info.port === 0 || state.banned.has(info.id)) continue;
    state.dials.set(info.id, { info, dialling: false, failures: 0, nextDialMs: nowMs });
  }
  redial(state, nowMs, effects);
}

function redial(state: SwarmState, nowMs: number, effects: SwarmEffect[]): void {
  for (const [peer, dial] of state.dials) {
    if (dial.dialling || state.links.has(peer) || nowMs < dial.nextDialMs) continue;
    dial.dialling = true;
    effects.push({ kind: 'dial', peer: dial.info });
  }
}

function linkUp(state: SwarmState, peer: PeerId, held: Bitfield, nowMs: number): void {
  if (state.banned.has(peer)) return;
  assert(held.length === state.map.pieceCount, "a link's bitfield is of this snapshot");
  const before = state.links.get(peer);
  if (before) dropLink(state, before);
  const link: LinkState = {
    peer,
    held: held.clone(),
    asked: new Map(),
    askedBytes: 0,
    wanted: 0,
    pausedUntilMs: 0,
    failures: 0,
  };
  state.links.set(peer, link);
  state.touched.add(link);
  for (const piece of held.values()) {
    state.copies[piece] = (state.copies[piece] ?? 0) + 1;
    state.unshared.delete(piece);
    if (state.open.has(piece)) link.wanted += 1;
  }
  const dial = state.dials.get(peer);
  if (dial) Object.assign(dial, { dialling: false, failures: 0 });
  state.lastProgressMs = nowMs;
}

function dropLink(state: SwarmState, link: LinkState): void {
  for (const piece of link.asked.keys()) dropClaim(state, link.peer, piece);
  removeCopies(state, link);
  state.links.delete(link.peer);
  state.touched.delete(link);
}

function linkDown(state: SwarmState, peer: PeerId, nowMs: number): void {
  const link = state.links.get(peer);
  if (link) dropLink(state, link);
  const dial = state.dials.get(peer);
  if (!dial) return;
  dial.dialling = false;
  dial.failures += 1;
  dial.nextDialMs = nowMs + Math.min(30_000, state.limits.redialMs * 2 ** (dial.failures - 1));
  if (dial.failures >= state.limits.maxDials) state.dials.delete(peer);
}

function have(state: SwarmState, peer: PeerId, pieces: readonly number[], nowMs: number): void {
  const link = state.links.get(peer);
  if (!link) return;
  for (const piece of pieces) addCopy(state, link, piece);
  state.lastProgressMs = nowMs;
}

/**
 * The first bytes of a piece came: whoever else was asked for it need not send it. Where two began at once, the
 * second is stopped, unless the first is overdue.
 */
function begun(state: SwarmState, peer: PeerId, piece: number, nowMs: number, effects: SwarmEffect[]): void {
  const claimants = state.claims.get(piece);
  if (!claimants?.has(peer)) return;
  const first = state.begun.get(piece);
  if (first && first.peer !== peer) {
    if (nowMs - first.atMs >= overdueAfterMs(state)) return;
    effects.push({ kind: 'cancel', peer, piece });
    dropClaim(state, peer, piece);
    return;
  }
  state.begun.set(piece, { peer, atMs: nowMs });
  for (const other of claimants) {
    if (other === peer) continue;
    effects.push({ kind: 'cancel', peer: other, piece });
    dropClaim(state, other, piece);
  }
}

function stored(
  state: SwarmState,
  piece: number,
  from: PeerId | 'origin',
  nowMs: number,
  effects: SwarmEffect[],
): void {
  if (from !== 'origin') noteSuccess(state, from, piece, nowMs);
  cancelClaims(state, piece, from, effects);
  closePiece(state, piece);
  state.lastProgressMs = nowMs;
  if (!state.held.add(piece)) return;
  if (from === 'origin' && state.lease) state.lease.readBytes += pieceBytes(state, piece);
  if (from === 'origin' && (state.copies[piece] ?? 0) === 0) state.unshared.add(piece);
  // Also to those that have it: copies are what rarest-first and the reader's pace go by.
  effects.push({ kind: 'announce', piece });
}

function noteSuccess(state: SwarmState, peer: PeerId, piece: number, nowMs: number): void {
  const link = state.links.get(peer);
  const askedMs = link?.asked.get(piece);
  if (!link || askedMs === undefined) return;
  link.failures = 0;
  const first = state.begun.get(piece);
  const tookMs = nowMs - (first?.peer === peer ? first.atMs : askedMs);
  state.pieceMs = state.pieceMs === 0 ? tookMs : state.pieceMs * 0.9 + tookMs * 0.1;
}

function cancelClaims(
  state: SwarmState,
  piece: number,
  except: PeerId | 'origin',
  effects: SwarmEffect[],
): void {
  for (const peer of state.claims.get(piece) ?? []) {
    if (peer !== except) effects.push({ kind: 'cancel', peer, piece });
    dropClaim(state, peer, piece);
  }
}

function requestFailed(
  state: SwarmState,
  event: { peer: PeerId; piece: number; reason: RequestFailure; retryAfterMs: number },
  nowMs: number,
  effects: SwarmEffect[],
): void {
  const { peer, piece, reason, retryAfterMs } = event;
  dropClaim(state, peer, piece);
  const link = state.links.get(peer);
  if (!link) return;
  if (reason === 'corrupt') return ban(state, link, piece, reason, effects);
  if (reason === 'unproven') return doubt(state, link, piece, nowMs, effects);
  if (reason === 'not-held') {
    removeCopy(state, link, piece);
    return;
  }
  link.failures += 1;
  const backOffMs = reason === 'busy' ? retryAfterMs : 0;
  link.pausedUntilMs = nowMs + Math.max(backOffMs, Math.min(10_000, 50 * 2 ** link.failures));
}

/**
 * It may have a grant that is not known here yet, so a few times are forgiven: after the first it is left alone for a
 * while, which doubles with each.
 */
function doubt(
  state: SwarmState,
  link: LinkState,
  piece: number,
  nowMs: number,
  effects: SwarmEffect[],
): void {
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

function dropped(state: SwarmState, pieces: readonly number[]): void {
  for (const piece of pieces) {
    if (!state.held.delete(piece)) continue;
    state.unshared.delete(piece);
    if (!isBeingRead(state, piece)) openPiece(state, piece);
  }
}

function abandon(state: SwarmState, pieces: Range, effects: SwarmEffect[]): void {
  for (let piece = pieces.start; piece < pieces.end; piece += 1) {
    cancelClaims(state, piece, 'origin', effects);
    closePiece(state, piece);
    state.unshared.delete(piece);
    state.held.delete(piece);
    state.abandoned.add(piece);
  }
  forgetRuns(state, pieces);
}
