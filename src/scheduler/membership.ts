// Peers come and go, join and leave swarms. Input that makes no sense or is over a limit is counted and ignored.

import { Bitfield, MAX_PIECES, type PeerId, type SnapshotId } from '../core/index.ts';
import { forgetHolder } from './blob-index.ts';
import { appoint, dismiss } from './deputies.ts';
import { holdingsReported, MAX_EPOCH, memberExcluded, memberJoined, memberLeft } from './lease.ts';
import { connect, reconnect } from './neighbours.ts';
import { dropReader } from './origins.ts';
import { revoke } from './readers.ts';
import { seat, unlinkAll, unseat } from './seating.ts';
import { areSpans } from './spans.ts';
import {
  createSwarm,
  grantsFromMs,
  isCondemned,
  type Member,
  type Peer,
  type SchedulerState,
  type Step,
  type Swarm,
  setHeld,
} from './state.ts';
import { exclude, pointOut, suspect } from './suspects.ts';
import type { LeaseClaim, SchedulerEvent } from './types.ts';
import { vouch } from './vouchers.ts';

type EventOf<Kind extends SchedulerEvent['kind']> = Extract<SchedulerEvent, { kind: Kind }>;

/** A new peer, or a known one on a new connection: then its swarms must be joined again, or are left. */
export function announce({ state, nowMs }: Step, event: EventOf<'announce'>): void {
  const { peer: info } = event;
  if (event.returning) noteRestart(state, nowMs);
  const known = state.peers.get(info.id);
  if (!known && state.peers.size >= state.limits.peers) {
    state.ignored.overLimit += 1;
    return;
  }
  if (info.role === 'seed') state.seeds.add(info.id);
  else state.seeds.delete(info.id);
  if (!known) {
    const swarms = new Set<SnapshotId>();
    state.peers.set(info.id, { info, lastHeardMs: nowMs, swarms, unconfirmed: new Set(), rejoinByMs: 0 });
    return;
  }
  known.info = info;
  known.lastHeardMs = nowMs;
  known.rejoinByMs = nowMs + state.limits.peerTtlMs;
  for (const id of known.swarms) {
    if (!event.correction) known.unconfirmed.add(id);
    reseat(state, id, info.id);
  }
}

/** Role and zone may have changed. */
function reseat(state: SchedulerState, snapshot: SnapshotId, id: PeerId): void {
  const swarm = state.swarms.get(snapshot);
  const member = swarm?.members.get(id);
  if (!swarm || !member || swarm.condemned.has(id)) return;
  unseat(swarm, member);
  seat(swarm, member);
}

/** Its connection ended; `goodbye` where it told so itself. */
export function gone(step: Step, peer: Peer, goodbye: boolean): void {
  const { state } = step;
  const { id } = peer.info;
  state.peers.delete(id);
  state.seeds.delete(id);
  forgetHolder(state.blobs, id);
  for (const snapshot of peer.swarms) leave(step, peer, snapshot, goodbye);
}

export function join(step: Step, peer: Peer, event: EventOf<'join'>): void {
  const held = validHeld(event);
  const swarm = held && admit(step, peer, event);
  if (!held || !swarm) {
    if (!held) step.state.ignored.invalid += 1;
    return;
  }
  noteEvidence(step, swarm, held, event.lease !== undefined);
  peer.unconfirmed.delete(swarm.id);
  const member = swarm.members.get(peer.info.id) ?? addMember(swarm, peer);
  setHeld(swarm, member, held);
  if (isCondemned(step.state, peer.info.id, step.nowMs)) {
    exclude(step, swarm, member);
    pointOut(step, swarm, member);
    if (event.lease) revoke(step, swarm, peer.info.id, event.lease.epoch);
    return;
  }
  connect(step, swarm, member);
  appoint(step, swarm, member);
  vouch(step, swarm, member, event.readers);
  memberJoined(step, swarm, member, event.lease);
}

function validHeld({ pieceCount, held, lease }: EventOf<'join'>): Bitfield | undefined {
  if (!Number.isSafeInteger(pieceCount) || pieceCount < 0 || pieceCount > MAX_PIECES) return undefined;
  if (lease && !isPossible(lease, pieceCount)) return undefined;
  return readHeld(pieceCount, held);
}

function isPossible({ epoch, spans }: LeaseClaim, pieceCount: number): boolean {
  return Number.isSafeInteger(epoch) && epoch > 0 && epoch <= MAX_EPOCH && areSpans(spans, pieceCount);
}

function readHeld(pieceCount: number, bytes: Uint8Array): Bitfield | undefined {
  return bytes.length === 0 ? new Bitfield(pieceCount) : Bitfield.fromBytes(pieceCount, bytes);
}

/** The swarm to join, made where there is none; `undefined` (and counted) where it can't be joined. */
function admit(step: Step, peer: Peer, event: EventOf<'join'>): Swarm | undefined {
  const { state, nowMs } = step;
  const { limits, ignored } = state;
  const known = state.swarms.get(event.snapshot);
  if (known && known.pieceCount !== event.pieceCount) {
    if (known.members.size > 0) {
      ignored.invalid += 1;
      return undefined;
    }
    forgetSwarm(step, known);
  }
  const swarm = state.swarms.get(event.snapshot);
  const isOver = swarm ? false : state.swarms.size >= limits.swarms;
  if (isOver || (!peer.swarms.has(event.snapshot) && peer.swarms.size >= limits.swarmsPerPeer)) {
    ignored.overLimit += 1;
    return undefined;
  }
  if (swarm) return swarm;
  const { snapshot: id, url, origin, totalBytes, pieceCount } = event;
  const isExact = nowMs >= grantsFromMs(state);
  const created = createSwarm({ id, url, origin, totalBytes, pieceCount }, isExact, nowMs);
  state.swarms.set(id, created);
  return created;
}

/**
 * Soon after the start, pieces and leases that this scheduler never granted show that the swarm lives since before it:
 * reports may be incomplete.
 */
function noteEvidence({ state, nowMs }: Step, swarm: Swarm, held: Bitfield, hasLease: boolean): void {
  if (swarm.epoch > 0 || !isJustStarted(state, nowMs)) return;
  if (hasLease) noteRestart(state, nowMs);
  else if (held.count === 0) return;
  swarm.outlivedRestart = true;
  swarm.exact = false;
}

function noteRestart(state: SchedulerState, nowMs: number): void {
  if (isJustStarted(state, nowMs)) state.hadPredecessor = true;
}

function isJustStarted({ firstEventMs, limits }: SchedulerState, nowMs: number): boolean {
  return nowMs < (firstEventMs ?? nowMs) + limits.restartSettleMs;
}

function addMember(swarm: Swarm, peer: Peer): Member {
  const member: Member = { peer, held: swarm.noneHeld, links: new Set(), zone: '', isSeed: false };
  swarm.availability.add(member.held);
  swarm.members.set(peer.info.id, member);
  peer.swarms.add(swarm.id);
  seat(swarm, member);
  return member;
}

/** Takes a peer out of a swarm; `said` where it told so itself. */
export function leave(step: Step, peer: Peer, snapshot: SnapshotId, said: boolean): void {
  const { id } = peer.info;
  const swarm = step.state.swarms.get(snapshot);
  const member = swarm?.members.get(id);
  peer.swarms.delete(snapshot);
  peer.unconfirmed.delete(snapshot);
  if (!swarm || !member) return;
  swarm.members.delete(id);
  swarm.unable.delete(id);
  swarm.availability.remove(member.held);
  if (!swarm.condemned.delete(id)) unseat(swarm, member);
  const bereft = unlinkAll(member);
  if (swarm.members.size === 0) swarm.emptySinceMs = step.nowMs;
  reconnect(step, swarm, bereft);
  dismiss(step, swarm, member);
  memberLeft(step, swarm, id, said);
}

export function holdings(step: Step, peer: Peer, event: EventOf<'holdings'>): void {
  const swarm = step.state.swarms.get(event.snapshot);
  const member = swarm?.members.get(peer.info.id);
  if (!swarm || !member) return;
  const held = readHeld(swarm.pieceCount, event.held);
  if (!held) {
    step.state.ignored.invalid += 1;
    return;
  }
  setHeld(swarm, member, held);
  holdingsReported(step, swarm, peer.info.id, event.heard);
}

/** A member names another for wrong bytes. */
export function accuse(step: Step, peer: Peer, event: EventOf<'suspect'>): void {
  const { state } = step;
  const swarm = state.swarms.get(event.snapshot);
  const accuser = swarm?.members.get(peer.info.id);
  if (!swarm || !accuser || !suspect(step, swarm, accuser, event)) return;
  for (const snapshot of state.peers.get(event.suspect)?.swarms ?? []) {
    const affected = state.swarms.get(snapshot);
    const member = affected?.members.get(event.suspect);
    if (!affected || !member) continue;
    exclude(step, affected, member);
    dismiss(step, affected, member);
    memberExcluded(step, affected);
  }
}

/** Its epochs stay behind as a floor for all that come later, so that none is granted twice. */
export function forgetSwarm(step: Step, swarm: Swarm): void {
  const { state } = step;
  for (const id of swarm.readers.keys()) dropReader(step, swarm, id);
  state.epochBase = Math.max(state.epochBase, swarm.epoch + 1);
  state.swarms.delete(swarm.id);
}
