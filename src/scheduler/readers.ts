// Who holds the origin leases of a swarm: grants, claims from before a break, and who is to read next.
//
// Invariants:
// - Epochs of a swarm rise with each grant, and the spans of its readers never overlap.
// - A claim counts if it is the scheduler's own latest grant to that peer, or one of a former scheduler as long as
//   this one granted nothing.

import type { PeerId } from '../core/index.ts';
import { dropReader, mayReadOrigin, setReader } from './origins.ts';
import { rendezvous } from './rendezvous.ts';
import { common, joined, overlap, piecesIn, type Spans, without } from './spans.ts';
import type { Member, Reader, Step, Swarm } from './state.ts';
import type { LeaseClaim } from './types.ts';

/** Members that are looked at to find one more reader where there are no seeds: a join must stay O(1). */
const CANDIDATES = 4;

function createReader(peer: PeerId, epoch: number, spans: Spans, nowMs: number): Reader {
  return {
    peer,
    epoch,
    sinceMs: nowMs,
    spans,
    leftPieces: piecesIn(spans),
    progressAtMs: nowMs,
    isLost: false,
    yieldsTo: undefined,
    keeps: false,
  };
}

/** Grants what nobody holds of these spans, in one lease of a new epoch with what the peer has still to read. */
export function grant(step: Step, swarm: Swarm, peer: PeerId, more: Spans): void {
  const wanted = joined(swarm.readers.get(peer)?.spans ?? [], more);
  const spans = common(wanted, swarm.availability.unheld());
  if (spans.length === 0) return;
  const epoch = Math.max(swarm.epoch + 1, step.state.epochBase);
  swarm.epoch = epoch;
  swarm.hasGranted = true;
  swarm.exact = false;
  setReader(step, swarm, createReader(peer, epoch, spans, step.nowMs));
  step.effects.push({ kind: 'lease', to: peer, snapshot: swarm.id, epoch, spans });
}

export function revoke(step: Step, swarm: Swarm, peer: PeerId, epoch: number): void {
  dropReader(step, swarm, peer);
  if (swarm.members.has(peer)) {
    step.effects.push({ kind: 'leaseRevoked', to: peer, snapshot: swarm.id, epoch });
  }
}

/** Takes a claim over, or revokes the lease that is claimed. Whether it was taken over. */
export function claim(step: Step, swarm: Swarm, id: PeerId, { epoch, spans }: LeaseClaim): boolean {
  const known = swarm.readers.get(id);
  if (known?.epoch === epoch) {
    known.isLost = false;
    known.progressAtMs = step.nowMs;
    return true;
  }
  if (!isForeign(swarm, epoch) || hasNewer(swarm, id, epoch, spans)) {
    revoke(step, swarm, id, epoch);
    return false;
  }
  for (const other of swarm.readers.values()) {
    if (other.peer !== id && overlap(other.spans, spans)) revoke(step, swarm, other.peer, other.epoch);
  }
  setReader(step, swarm, createReader(id, epoch, spans, step.nowMs));
  swarm.epoch = Math.max(swarm.epoch, epoch);
  swarm.exact = false;
  return true;
}

/** Whether an epoch was granted elsewhere, and may still hold: before this scheduler, or without it. */
function isForeign(swarm: Swarm, epoch: number): boolean {
  return !swarm.hasGranted || epoch > swarm.epoch;
}

function hasNewer(swarm: Swarm, id: PeerId, epoch: number, spans: Spans): boolean {
  for (const other of swarm.readers.values()) {
    if (other.peer !== id && other.epoch >= epoch && overlap(other.spans, spans)) return true;
  }
  return false;
}

/** What nobody holds, nobody is to read, and is kept for nobody. */
export function unleased(swarm: Swarm): Spans {
  let spans: Spans = swarm.availability.unheld();
  for (const reader of swarm.readers.values()) spans = without(spans, reader.spans);
  return swarm.reserve ? without(spans, swarm.reserve.spans) : spans;
}

export function hasLiveReader(swarm: Swarm): boolean {
  for (const reader of swarm.readers.values()) if (!reader.isLost) return true;
  return false;
}

export function lostReaders(swarm: Swarm): PeerId[] {
  return Array.from(swarm.readers.values()).flatMap(({ isLost, peer }) => (isLost ? peer : []));
}

/**
 * Who is to read what is missing: a seed, else the member with most pieces, of these the earliest. One that reads
 * already is chosen where nobody else may: then it gets a larger lease.
 */
export function chooseReader(step: Step, swarm: Swarm): PeerId | undefined {
  const seeds = ableSeeds(swarm);
  const idle = seeds.filter((id) => !swarm.readers.has(id) && mayReadOrigin(step, swarm, id));
  const room = seeds.length > 0 ? step.state.limits.seedReaders : step.state.limits.electedReaders;
  if (swarm.readers.size < room || !hasLiveReader(swarm)) {
    const fresh = seeds.length > 0 ? rendezvous(swarm.id, idle) : mostComplete(step, swarm);
    if (fresh !== undefined) return fresh;
  }
  return leastBusy(swarm);
}

/** Seeds that take part and can read. */
export function ableSeeds(swarm: Swarm): PeerId[] {
  return Array.from(swarm.seeds, ({ peer }) => peer.info.id).filter((id) => mayRead(swarm, id));
}

export function mayRead(swarm: Swarm, id: PeerId): boolean {
  return swarm.members.has(id) && !swarm.unable.has(id) && !swarm.condemned.has(id);
}

function mostComplete(step: Step, swarm: Swarm): PeerId | undefined {
  const isOpen = mayReadOrigin(step, swarm);
  let best: Member | undefined;
  for (const [id, member] of swarm.members) {
    if (!mayRead(swarm, id) || swarm.readers.has(id)) continue;
    if (!isOpen && !mayReadOrigin(step, swarm, id)) continue;
    if (!best || member.held.count > best.held.count) best = member;
  }
  return best?.peer.info.id;
}

function leastBusy(swarm: Swarm): PeerId | undefined {
  let best: Reader | undefined;
  for (const reader of swarm.readers.values()) {
    if (reader.isLost || !mayRead(swarm, reader.peer)) continue;
    if (!best || reader.leftPieces < best.leftPieces) best = reader;
  }
  return best?.peer;
}

/** Who could read as well: a seed without a lease, or where there are no seeds, one of a few members. */
export function oneMoreReader(step: Step, swarm: Swarm): PeerId | undefined {
  const { state } = step;
  const { seedReaders, electedReaders } = state.limits;
  const busy = new Set(swarm.readers.keys());
  for (const { yieldsTo } of swarm.readers.values()) if (yieldsTo !== undefined) busy.add(yieldsTo);
  const seeds = ableSeeds(swarm);
  if (busy.size >= (seeds.length > 0 ? seedReaders : electedReaders)) return undefined;
  if (seeds.length > 0) {
    return rendezvous(
      swarm.id,
      seeds.filter((id) => !busy.has(id) && mayReadOrigin(step, swarm, id)),
    );
  }
  const able = swarm.all
    .sample(CANDIDATES, state.random)
    .filter(
      ({ held, peer: { info } }) =>
        !held.isFull && !busy.has(info.id) && mayRead(swarm, info.id) && mayReadOrigin(step, swarm, info.id),
    );
  return able[0]?.peer.info.id;
}

/** Of the swarm's readers the one with most to read that may share it. */
export function mostBusy(swarm: Swarm, minSharedBytes: number): Reader | undefined {
  let most: Reader | undefined;
  for (const reader of swarm.readers.values()) {
    if (reader.isLost || reader.keeps || reader.yieldsTo !== undefined) continue;
    if (bytesOf(swarm, reader.leftPieces) < minSharedBytes) continue;
    if (!most || reader.leftPieces > most.leftPieces) most = reader;
  }
  return most;
}

/** About how many bytes so many pieces have. */
export function bytesOf({ totalBytes, pieceCount }: Swarm, pieces: number): number {
  return pieceCount === 0 ? 0 : (totalBytes / pieceCount) * pieces;
}
