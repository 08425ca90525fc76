// Several readers of one snapshot: so that the origin's bandwidth to each adds up, while each byte is read once.
//
// At first what is missing is cut into equal parts for the seeds there are; those that know nothing of the snapshot
// yet are invited, and their parts are kept for a while. Later, who could read and has no lease gets a part of the
// largest one. Only its holder knows what of it is unread and where files end, so the holder chooses the part: it
// gives spans back, and these are granted to the other with a higher epoch.

import type { PeerId, PeerInfo } from '../core/index.ts';
import { mayReadOrigin, pausedUntilMs } from './origins.ts';
import {
  ableSeeds,
  bytesOf,
  chooseReader,
  grant,
  hasLiveReader,
  mayRead,
  mostBusy,
  oneMoreReader,
} from './readers.ts';
import { areSpans, piecesIn, type Spans, splitAt, without } from './spans.ts';
import { grantsFromMs, incompleteCount, type Step, type Swarm } from './state.ts';
import type { SchedulerEvent } from './types.ts';

type EventOf<Kind extends SchedulerEvent['kind']> = Extract<SchedulerEvent, { kind: Kind }>;

/** Grants what is missing: to `first`, and where it is much and there are more seeds, a part to each. */
export function grantShared(step: Step, swarm: Swarm, first: PeerId, missing: Spans): void {
  const { limits } = step.state;
  const isIdle = (id: PeerId) => !swarm.readers.has(id) && mayReadOrigin(step, swarm, id);
  const others = ableSeeds(swarm).filter((id) => id !== first && isIdle(id));
  const absent = absentSeeds(step, swarm);
  const room = limits.seedReaders - swarm.readers.size;
  const worth = Math.floor(bytesOf(swarm, piecesIn(missing)) / limits.minSharedBytes);
  const parts = Math.max(1, Math.min(room, worth, 1 + others.length + absent.length));
  let rest = missing;
  for (const [at, id] of [first, ...others].slice(0, parts).entries()) {
    // Each grant takes of the origin's budget.
    if (at > 0 && !mayReadOrigin(step, swarm, id)) continue;
    const [part, left] = splitAt(rest, Math.ceil(piecesIn(rest) / (parts - at)));
    grant(step, swarm, id, part);
    rest = left;
  }
  const kept = parts - 1 - others.length;
  if (kept > 0) invite(step, swarm, first, absent.slice(0, kept), rest);
}

/** A seed only knows of what it was asked for: those that do not take part, unless they were just invited. */
function absentSeeds({ state, nowMs }: Step, swarm: Swarm): PeerInfo[] {
  if (nowMs < swarm.invitedAtMs + state.limits.inviteMs || state.seeds.size <= swarm.seeds.size) return [];
  return Array.from(state.seeds)
    .filter((id) => !swarm.members.has(id))
    .flatMap((id) => state.peers.get(id)?.info ?? []);
}

function invite(
  { state, nowMs, effects }: Step,
  swarm: Swarm,
  to: PeerId,
  seeds: PeerInfo[],
  spans: Spans,
): void {
  swarm.invitedAtMs = nowMs;
  swarm.reserve = { spans, parts: seeds.length, untilMs: nowMs + state.limits.inviteWaitMs };
  effects.push({ kind: 'invite', to, snapshot: swarm.id, seeds });
}

/** Who was invited has not come in time. */
export function endReserve(step: Step, swarm: Swarm): void {
  const { reserve } = swarm;
  if (!reserve || step.nowMs < reserve.untilMs || step.nowMs < pausedUntilMs(step, swarm)) return;
  const peer = chooseReader(step, swarm);
  if (peer === undefined) return;
  swarm.reserve = undefined;
  grant(step, swarm, peer, reserve.spans);
}

/** Lets another read as well, where somebody can and there is much to read. Costs O(readers + seeds). */
export function share(step: Step, swarm: Swarm): void {
  const { state, nowMs, effects } = step;
  if (swarm.phase.kind === 'failed' || incompleteCount(swarm) === 0 || nowMs < grantsFromMs(state, swarm))
    return;
  takeReserve(step, swarm);
  for (;;) {
    const busiest = mostBusy(swarm, state.limits.minSharedBytes);
    const peer = busiest && oneMoreReader(step, swarm);
    if (!busiest || peer === undefined) return;
    busiest.yieldsTo = peer;
    effects.push({ kind: 'yieldLease', to: busiest.peer, snapshot: swarm.id, epoch: busiest.epoch });
  }
}

/** A part of what is kept goes to each seed that came, or that has read its own; to another where nobody reads. */
function takeReserve(step: Step, swarm: Swarm): void {
  while (swarm.reserve) {
    const { reserve } = swarm;
    const mayTake = swarm.seeds.size > 0 || !hasLiveReader(swarm);
    const peer = mayTake ? oneMoreReader(step, swarm) : undefined;
    if (peer === undefined) return;
    const [part, rest] = splitAt(reserve.spans, Math.ceil(piecesIn(reserve.spans) / reserve.parts));
    reserve.spans = rest;
    reserve.parts -= 1;
    if (reserve.parts === 0) swarm.reserve = undefined;
    grant(step, swarm, peer, part);
  }
}

/** What a holder gave back goes to whom it was asked for. An answer to an older lease is void: it was granted anew. */
export function leaseYielded(step: Step, swarm: Swarm, event: EventOf<'leaseYielded'>): void {
  const reader = swarm.readers.get(event.peer);
  if (reader?.epoch !== event.epoch || reader.yieldsTo === undefined) return;
  const { spans } = event;
  if (!areSpans(spans, swarm.pieceCount) || without(spans, reader.spans).length > 0) {
    step.state.ignored.invalid += 1;
    return;
  }
  const to = reader.yieldsTo;
  reader.yieldsTo = undefined;
  if (spans.length === 0) {
    reader.keeps = true;
    share(step, swarm);
    return;
  }
  reader.spans = without(reader.spans, spans);
  reader.leftPieces = Math.max(0, reader.leftPieces - piecesIn(spans));
  grant(step, swarm, mayRead(swarm, to) ? to : (chooseReader(step, swarm) ?? event.peer), spans);
  share(step, swarm);
}

export function leaseProgress({ nowMs }: Step, swarm: Swarm, event: EventOf<'leaseProgress'>): void {
  const reader = swarm.readers.get(event.peer);
  if (reader?.epoch !== event.epoch || event.leftPieces >= reader.leftPieces) return;
  reader.leftPieces = event.leftPieces;
  reader.progressAtMs = nowMs;
}
