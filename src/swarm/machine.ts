// One host's share of one snapshot's swarm, as a pure machine: what was heard goes in, what to do comes out. No clock,
// no chance but the seeded one, no socket, no file: the shell in src/daemon and the simulator run this same code.
//
// Invariants: a piece is announced only after `stored`; a piece in a running origin read of this host is asked of
// nobody; claimed bytes stay under their limit; a banned peer is neither asked nor dialled.

import {
  assert,
  type Bitfield,
  type PeerId,
  type PeerInfo,
  type Range,
  unreachable,
  zoneKey,
} from '../core/index.ts';
import { announceOverdue } from './announcements.ts';
import { hashOf } from './imports.ts';
import { tellProgress, yieldLease } from './lease-share.ts';
import { endLease, endRead, forgetRuns, loseLease, paceReads, startReads, takeLease } from './origin.ts';
import { lookWhenDue, noteOverdue } from './overdue.ts';
import { notePace } from './pace.ts';
import { fillWindows, mayFollow } from './picker.ts';
import { placeReader, removeReader } from './readers.ts';
import { begun, cancelClaims, dropLink, requestFailed, stored } from './requests.ts';
import {
  addCopies,
  addCopy,
  closePiece,
  freeLanes,
  isBeingRead,
  isStarved,
  type LinkState,
  openPiece,
  type SwarmState,
  setFar,
  touch,
} from './state.ts';
import type { SwarmEffect, SwarmEvent } from './types.ts';

/** How long the other end of a link between zones has to dial. */
const FAR_DIAL_MS = 1_000;

/** Changes the state by one event and says what to do about it. Deterministic. */
export function step(state: SwarmState, event: SwarmEvent, nowMs: number): SwarmEffect[] {
  const effects: SwarmEffect[] = [];
  apply(state, event, nowMs, effects);
  startReads(state, effects);
  fillWindows(state, nowMs, effects);
  endLease(state, effects);
  paceReads(state, nowMs, effects);
  lookWhenDue(state, nowMs, effects);
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
      return begun(state, event, nowMs, effects);
    case 'stored':
      noteOverdue(state, nowMs);
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
    case 'reader':
      return placeReader(state, event.id, event.pieces);
    case 'readerGone':
      return removeReader(state, event.id);
    case 'look':
      state.isLookAsked = false;
      return noteOverdue(state, nowMs);
    case 'tick':
      noteOverdue(state, nowMs);
      notePace(state, nowMs);
      state.allTouched = true;
      announceOverdue(state, nowMs, effects);
      tellProgress(state, nowMs, effects);
      seekNeighbours(state, nowMs, effects);
      return redial(state, nowMs, effects);
    default:
      return unreachable(event);
  }
}

/** Those that were dialled in vain too often are only tried again when they are named again. Counts from the first tick. */
function seekNeighbours(state: SwarmState, nowMs: number, effects: SwarmEffect[]): void {
  if (state.held.isFull || state.lease) return;
  if (state.soughtAtMs === 0) state.soughtAtMs = nowMs;
  const sinceMs = Math.max(state.soughtAtMs, state.lastProgressMs);
  if (nowMs < sinceMs + state.limits.seekMs) return;
  if (state.links.size > 0 && !isStarved(state)) return;
  state.soughtAtMs = nowMs;
  effects.push({ kind: 'seek' });
}

function addNeighbours(
  state: SwarmState,
  peers: readonly PeerInfo[],
  nowMs: number,
  effects: SwarmEffect[],
): void {
  for (const info of peers) {
    if (info.id === state.self || info.port === 0 || state.banned.has(info.id)) continue;
    const isFar = isFarFrom(state, info);
    const link = state.links.get(info.id);
    if (link) setFar(state, link, isFar, nowMs);
    // Both ends are told of a link between zones: the one with the smaller id dials.
    const waitMs = isFar && info.id < state.self ? FAR_DIAL_MS : 0;
    state.dials.set(info.id, { info, dialling: false, failures: 0, nextDialMs: nowMs + waitMs });
  }
  redial(state, nowMs, effects);
}

function isFarFrom(state: SwarmState, info: PeerInfo | undefined): boolean {
  return info !== undefined && zoneKey(info) !== state.zone;
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
    row: state.holdings.addRow(held.values()),
    isFar: isFarFrom(state, state.dials.get(peer)?.info),
    peer,
    idHash: hashOf(peer),
    asked: [],
    askedBytes: 0,
    current: [],
    isTouched: false,
    stalled: false,
    slowUntilMs: 0,
    pausedUntilMs: 0,
    failures: 0,
  };
  state.links.set(peer, link);
  touch(state, link);
  addCopies(state, link, nowMs);
  const dial = state.dials.get(peer);
  if (dial) Object.assign(dial, { dialling: false, failures: 0 });
  state.lastProgressMs = nowMs;
}

function linkDown(state: SwarmState, peer: PeerId, nowMs: number): void {
  const link = state.links.get(peer);
  if (link) dropLink(state, link);
  const dial = state.dials.get(peer);
  if (!dial) return;
  dial.dialling = false;
  dial.failures += 1;
  dial.nextDialMs = nowMs + Math.min(30_000, state.limits.redialMs * 2 ** (dial.failures - 1));
  // After a cut that outlasts all dials there may be no scheduler to name them again.
  const isNeeded = !state.lease && isStarved(state);
  if (dial.failures >= state.limits.maxDials && !isNeeded) state.dials.delete(peer);
}

function have(state: SwarmState, peer: PeerId, pieces: readonly number[], nowMs: number): void {
  const link = state.links.get(peer);
  if (!link) return;
  for (const piece of pieces) {
    if (addCopy(state, link, piece, nowMs) && mayFollow(state, link, piece)) touch(state, link);
  }
  if (state.open.count === 0 && state.active.length > 0) noteOverdue(state, nowMs);
  state.lastProgressMs = nowMs;
}

/**
 * Whether something may follow at once from what a neighbour announces, whichever neighbour it is. Otherwise only from
 * what those announce that send to this host, the stalled left out.
 */
export function mayActOnHaves(state: SwarmState): boolean {
  if (state.lease) return true;
  if (state.open.count === 0) return state.active.length > 0;
  return freeLanes(state, false) > 0 || (state.farLinks > 0 && freeLanes(state, true) > 0);
}

function dropped(state: SwarmState, pieces: readonly number[]): void {
  for (const piece of pieces) {
    if (!state.held.delete(piece)) continue;
    state.unshared.delete(piece);
    state.sole.delete(piece);
    if (!isBeingRead(state, piece)) openPiece(state, piece);
  }
}

function abandon(state: SwarmState, pieces: Range, effects: SwarmEffect[]): void {
  for (let piece = pieces.start; piece < pieces.end; piece += 1) {
    state.held.delete(piece);
    state.abandoned.add(piece);
    state.unshared.delete(piece);
    state.sole.delete(piece);
    cancelClaims(state, piece, 'origin', effects);
    closePiece(state, piece);
  }
  forgetRuns(state, pieces);
}
