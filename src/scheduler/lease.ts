// When the origin of a swarm is read: who came, went, finished or failed, and what follows from it. Who reads is
// readers.ts; how several share is sharing.ts.
//
// Invariants:
// - A piece that a live member has reported, or that another reader is to read, is never granted.
// - Reports are a lower bound: members go on exchanging. So once anybody has read, or may have before this scheduler
//   started, members are asked first (a settle round), and only then is the rest granted. Before that, the
//   reports are exact and the first grant needs no round.
// - A reader that the scheduler lost but a member still gets pieces from keeps its lease: nobody else reads its spans.
// - A reader that says it left, or joins again without its lease, has none.

import type { ErrorRecord, PeerId } from '../core/index.ts';
import { dropReader, pausedUntilMs, refused } from './origins.ts';
import { chooseReader, claim, hasLiveReader, lostReaders, revoke, unleased } from './readers.ts';
import { endReserve, grantShared, share } from './sharing.ts';
import type { Spans } from './spans.ts';
import {
  grantsFromMs,
  incompleteCount,
  type Member,
  type Reader,
  type Step,
  type Swarm,
  setHeld,
} from './state.ts';
import type { LeaseClaim, SchedulerEvent } from './types.ts';

/** What fits into the 48 bits of a grant's epoch, with room to count on from. */
export const MAX_EPOCH = 2 ** 47;

/** A member joined, first or again; `lease` is what it says it holds. */
export function memberJoined(step: Step, swarm: Swarm, member: Member, lease: LeaseClaim | undefined): void {
  const id = member.peer.info.id;
  if (lease && claim(step, swarm, id, lease)) {
    if (swarm.phase.kind === 'failed') startAfresh(step, swarm);
    share(step, swarm);
    return;
  }
  if (!lease && dropReader(step, swarm, id) && swarm.phase.kind === 'settling') swarm.phase.heard.delete(id);
  if (swarm.phase.kind === 'failed') {
    swarm.phase.wanted = true;
    if (step.nowMs >= swarm.phase.untilMs) startAfresh(step, swarm);
  }
  reconsider(step, swarm);
  share(step, swarm);
}

/** A member is not in the swarm any more (and off `members`); `said` where it told so itself. */
export function memberLeft(step: Step, swarm: Swarm, id: PeerId, said: boolean): void {
  const reader = swarm.readers.get(id);
  if (reader) reader.isLost = true;
  if (said) dropReader(step, swarm, id);
  if (swarm.members.size === 0) {
    // The readers stay known: they may only have lost their connection, and come back with their claims.
    if (swarm.phase.kind !== 'failed') becomeOpen(step, swarm);
    return;
  }
  if (swarm.phase.kind === 'settling') answered(step, swarm, id);
  else if (swarm.phase.kind === 'open' && reader) startRound(step, swarm);
  else reconsider(step, swarm);
}

/** What a member held is missing again, and its lease is over. */
export function memberExcluded(step: Step, swarm: Swarm): void {
  if (swarm.phase.kind === 'open') startRound(step, swarm);
}

/** An answer to `reportHoldings`, or news; the member's bitfield is already taken over. */
export function holdingsReported(step: Step, swarm: Swarm, id: PeerId, heard: readonly PeerId[]): void {
  const { phase } = swarm;
  if (phase.kind !== 'settling') return;
  if (phase.waiting.has(id)) for (const reader of heard) phase.heard.add(reader);
  answered(step, swarm, id);
}

type LeaseDone = Extract<SchedulerEvent, { kind: 'leaseDone' }>;

/** Ends a lease. What a fenced reader says is ignored. */
export function leaseDone(step: Step, swarm: Swarm, member: Member, { epoch, error }: LeaseDone): void {
  const id = member.peer.info.id;
  const reader = swarm.readers.get(id);
  if (reader?.epoch !== epoch || swarm.phase.kind === 'failed') return;
  dropReader(step, swarm, id);
  if (error) {
    readerFailed(step, swarm, reader, error);
    return;
  }
  setHeld(swarm, member, withSpans(member, reader.spans));
  forgetFailures(swarm);
  if (swarm.phase.kind === 'open' && !hasLiveReader(swarm)) {
    becomeOpen(step, swarm);
    reconsider(step, swarm);
  }
  share(step, swarm);
}

/** What is due by time. */
export function leaseTick(step: Step, swarm: Swarm): void {
  const { phase } = swarm;
  const { nowMs } = step;
  if (phase.kind !== 'failed') revokeStalled(step, swarm);
  endReserve(step, swarm);
  switch (phase.kind) {
    case 'open':
      if (incompleteCount(swarm) === 0 || nowMs < grantsFromMs(step.state, swarm)) return;
      if (hasLiveReader(swarm) && lostReaders(swarm).length === 0) return;
      if (swarm.exact) grantMissing(step, swarm);
      else if (nowMs >= phase.nextRoundAtMs) startRound(step, swarm);
      return;
    case 'settling':
      if (nowMs >= phase.untilMs) finishRound(step, swarm);
      return;
    case 'failed':
      if (nowMs < phase.untilMs || !phase.wanted) return;
      startAfresh(step, swarm);
      reconsider(step, swarm);
  }
}

/** Who says it is there and gets no further has read enough. */
function revokeStalled(step: Step, swarm: Swarm): void {
  const before = step.nowMs - step.state.limits.leaseStallMs;
  const pausedMs = pausedUntilMs(step, swarm);
  for (const reader of swarm.readers.values()) {
    if (reader.isLost || Math.max(reader.progressAtMs, pausedMs) > before) continue;
    revoke(step, swarm, reader.peer, reader.epoch);
    swarm.unable.add(reader.peer);
    if (swarm.phase.kind === 'open') startRound(step, swarm);
  }
}

function becomeOpen(step: Step, swarm: Swarm): void {
  swarm.phase = { kind: 'open', nextRoundAtMs: step.nowMs + step.state.limits.stallMs };
}

function startAfresh(step: Step, swarm: Swarm): void {
  forgetFailures(swarm);
  becomeOpen(step, swarm);
}

function forgetFailures(swarm: Swarm): void {
  swarm.unable.clear();
  swarm.attempts = 0;
  swarm.lastError = undefined;
}

/** With nobody reading: sees whether anything must be read. */
function reconsider(step: Step, swarm: Swarm): void {
  const { phase } = swarm;
  if (phase.kind !== 'open' || hasLiveReader(swarm)) return;
  if (incompleteCount(swarm) === 0 || swarm.availability.unheldCount === 0) return;
  const { nowMs, state } = step;
  if (nowMs < grantsFromMs(state, swarm)) {
    phase.nextRoundAtMs = nowMs;
    return;
  }
  if (swarm.exact) {
    grantMissing(step, swarm);
    return;
  }
  // A round costs a message a member, so large swarms wait for the tick: a join must stay O(1).
  const allowedAtMs = swarm.lastRoundAtMs + state.limits.settleMs;
  if (nowMs >= allowedAtMs && swarm.members.size <= state.limits.degree + 1) startRound(step, swarm);
  else phase.nextRoundAtMs = Math.min(phase.nextRoundAtMs, Math.max(nowMs, allowedAtMs));
}

/** Asks all members what they hold, and which of the lost readers they still hear. */
function startRound(step: Step, swarm: Swarm): void {
  if (incompleteCount(swarm) === 0) {
    becomeOpen(step, swarm);
    return;
  }
  const { nowMs, state, effects } = step;
  swarm.lastRoundAtMs = nowMs;
  const waiting = new Set(swarm.members.keys());
  swarm.phase = { kind: 'settling', waiting, untilMs: nowMs + state.limits.settleMs, heard: new Set() };
  const holders = lostReaders(swarm);
  for (const to of waiting) effects.push({ kind: 'reportHoldings', to, snapshot: swarm.id, holders });
}

function answered(step: Step, swarm: Swarm, id: PeerId): void {
  if (swarm.phase.kind !== 'settling') return;
  swarm.phase.waiting.delete(id);
  if (swarm.phase.waiting.size === 0) finishRound(step, swarm);
}

/** All have answered, or had their time. Who is lost and not heard has no lease any more. */
function finishRound(step: Step, swarm: Swarm): void {
  const heard = swarm.phase.kind === 'settling' ? swarm.phase.heard : new Set<PeerId>();
  for (const id of lostReaders(swarm)) if (!heard.has(id)) dropReader(step, swarm, id);
  becomeOpen(step, swarm);
  grantMissing(step, swarm);
  const { phase } = swarm;
  if (phase.kind !== 'open' || lostReaders(swarm).length === 0) return;
  phase.nextRoundAtMs = step.nowMs + step.state.limits.settleMs;
}

/** Grants what nobody holds or is to read to whoever is best placed to read it. */
function grantMissing(step: Step, swarm: Swarm): void {
  const pausedMs = pausedUntilMs(step, swarm);
  if (step.nowMs < pausedMs) {
    if (swarm.phase.kind === 'open') swarm.phase.nextRoundAtMs = pausedMs;
    return;
  }
  const spans = unleased(swarm);
  if (spans.length === 0) return;
  const peer = chooseReader(step, swarm) ?? anyReader(step, swarm);
  if (peer !== undefined) {
    grantShared(step, swarm, peer, spans);
    share(step, swarm);
  } else if (swarm.unable.size === 0 && swarm.phase.kind === 'open') {
    // The origin's budget is spent: looked at again with the next round.
    swarm.phase.nextRoundAtMs = step.nowMs + step.state.limits.retryMs;
  } else if (swarm.lastError && !hasLiveReader(swarm)) failSwarm(step, swarm, swarm.lastError);
}

/** Those that only stalled may try again where nobody else can. */
function anyReader(step: Step, swarm: Swarm): PeerId | undefined {
  if (swarm.lastError) return undefined;
  swarm.unable.clear();
  return chooseReader(step, swarm);
}

function withSpans({ held }: Member, spans: Spans): Member['held'] {
  const result = held.clone();
  for (const { start, end } of spans) for (let piece = start; piece < end; piece += 1) result.add(piece);
  return result;
}

/** Another may be able to: what the failed one has read by then is kept, so members are asked first. */
function readerFailed(step: Step, swarm: Swarm, { peer, sinceMs }: Reader, error: ErrorRecord): void {
  if (error.code === 'rate_limited') {
    refused(step, swarm);
    if (swarm.phase.kind === 'open') swarm.phase.nextRoundAtMs = pausedUntilMs(step, swarm);
    return;
  }
  swarm.unable.add(peer);
  // Those that read when another failed fail for the same reason, and are no further attempt.
  if (sinceMs >= swarm.failedAtMs) swarm.attempts += 1;
  swarm.failedAtMs = step.nowMs;
  swarm.lastError = error;
  if (swarm.phase.kind === 'settling') return;
  if (swarm.availability.unheldCount === 0) becomeOpen(step, swarm);
  else if (hasLiveReader(swarm) || mayTryAnother(step, swarm)) startRound(step, swarm);
  else failSwarm(step, swarm, error);
}

function mayTryAnother(step: Step, swarm: Swarm): boolean {
  return swarm.attempts < step.state.limits.maxLeaseAttempts && chooseReader(step, swarm) !== undefined;
}

/** No member is complete, or nothing would be missing: all give up. */
function failSwarm(step: Step, swarm: Swarm, error: ErrorRecord): void {
  for (const to of swarm.members.keys()) {
    step.effects.push({ kind: 'swarmFailed', to, snapshot: swarm.id, error });
  }
  forgetFailures(swarm);
  swarm.reserve = undefined;
  swarm.phase = { kind: 'failed', untilMs: step.nowMs + step.state.limits.retryMs, wanted: false };
}
