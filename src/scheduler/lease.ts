// The origin lease of a swarm: who reads the origin, what, and who does so next.
//
// Invariants:
// - Epochs of a swarm rise with each grant; only the reader of the highest epoch counts (`swarm.reader`).
// - A piece that a live member has reported is never granted.
// - Reports are a lower bound: members go on exchanging. So once anybody has read, or may have before this scheduler
//   started, members are asked first (a settle round), and only then is the rest granted. Before that, the
//   reports are exact and the first grant needs no round.
// - A reader that the scheduler lost but a member still gets pieces from keeps its lease: nobody else reads.
// - A reader that says it left, or joins again without its lease, has none.

import { type ErrorRecord, type PeerId, type Range, rangeLength } from '../core/index.ts';
import { rendezvous } from './rendezvous.ts';
import { grantsFromMs, incompleteCount, type Member, type Step, type Swarm, setHeld } from './state.ts';
import type { SchedulerEvent } from './types.ts';

/** What fits into the 48 bits of a grant's epoch, with room to count on from. */
export const MAX_EPOCH = 2 ** 47;

/** A member joined, first or again; `claim` is the epoch of the lease that it says it holds, 0 for none. */
export function memberJoined(step: Step, swarm: Swarm, member: Member, claim: number): void {
  const id = member.peer.info.id;
  if (claim > 0 && isValidClaim(swarm, id, claim)) {
    adopt(step, swarm, id, claim);
    return;
  }
  if (claim > 0) askFor(step, swarm, id);
  if (swarm.reader?.peer === id) endWithoutResult(step, swarm);
  if (swarm.phase.kind === 'failed') {
    swarm.phase.wanted = true;
    if (step.nowMs >= swarm.phase.untilMs) startAfresh(step, swarm);
  }
  reconsider(step, swarm);
}

/** A member is not in the swarm any more (and off `members`); `said` where it told so itself. */
export function memberLeft(step: Step, swarm: Swarm, id: PeerId, said: boolean): void {
  const wasReader = swarm.reader?.peer === id;
  if (wasReader && said) swarm.reader = undefined;
  if (swarm.members.size === 0) {
    // The reader stays known: it may only have lost its connection, and comes back with its claim.
    if (swarm.phase.kind !== 'failed') becomeIdle(step, swarm);
    return;
  }
  if (swarm.phase.kind === 'settling') answered(step, swarm, id);
  else if (swarm.phase.kind === 'reading' && wasReader) startRound(step, swarm);
  else reconsider(step, swarm);
}

/** An answer to `reportHoldings`, or news; the member's bitfield is already taken over. */
export function holdingsReported(step: Step, swarm: Swarm, id: PeerId, readerAlive: boolean): void {
  if (swarm.phase.kind !== 'settling') return;
  if (readerAlive && swarm.phase.waiting.has(id)) swarm.phase.readerAlive = true;
  answered(step, swarm, id);
}

type LeaseDone = Extract<SchedulerEvent, { kind: 'leaseDone' }>;

/** Ends a lease. What a fenced reader says is ignored. */
export function leaseDone(step: Step, swarm: Swarm, member: Member, { epoch, error }: LeaseDone): void {
  const id = member.peer.info.id;
  const { reader } = swarm;
  if (reader?.peer !== id || reader.epoch !== epoch || swarm.phase.kind !== 'reading') return;
  swarm.reader = undefined;
  if (error) {
    readerFailed(step, swarm, id, error);
    return;
  }
  if (reader.spans) setHeld(swarm, member, withSpans(member, reader.spans));
  forgetFailures(swarm);
  becomeIdle(step, swarm);
  reconsider(step, swarm);
}

/** What is due by time. */
export function leaseTick(step: Step, swarm: Swarm): void {
  const { phase } = swarm;
  const { nowMs } = step;
  switch (phase.kind) {
    case 'reading':
      return;
    case 'idle':
      if (incompleteCount(swarm) === 0 || nowMs < grantsFromMs(step.state, swarm)) return;
      if (swarm.exact) grantMissing(step, swarm);
      else if (nowMs >= phase.nextRoundAtMs) startRound(step, swarm);
      return;
    case 'settling':
      if (nowMs >= phase.untilMs) finishRound(step, swarm);
      return;
    case 'doubted':
      if (nowMs >= phase.askAtMs) startRound(step, swarm);
      return;
    case 'failed':
      if (nowMs < phase.untilMs || !phase.wanted) return;
      startAfresh(step, swarm);
      reconsider(step, swarm);
  }
}

/** A claim counts if it is this scheduler's own latest grant, or newer than all it knows (from before a restart). */
function isValidClaim(swarm: Swarm, id: PeerId, claim: number): boolean {
  return claim > swarm.epoch || (claim === swarm.epoch && swarm.reader?.peer === id);
}

function adopt(step: Step, swarm: Swarm, id: PeerId, epoch: number): void {
  const former = swarm.reader;
  const isSame = former?.peer === id && former.epoch === epoch;
  swarm.reader = isSame ? former : { peer: id, epoch, spans: undefined };
  swarm.epoch = epoch;
  swarm.exact = false;
  swarm.phase = { kind: 'reading' };
  if (former && former.peer !== id && swarm.members.has(former.peer)) askFor(step, swarm, former.peer);
}

/** The reader has no lease any more and says nothing about its spans. */
function endWithoutResult(step: Step, swarm: Swarm): void {
  swarm.reader = undefined;
  if (swarm.phase.kind === 'settling') swarm.phase.readerAlive = false;
  else if (swarm.phase.kind !== 'failed') becomeIdle(step, swarm);
}

function becomeIdle(step: Step, swarm: Swarm): void {
  swarm.phase = { kind: 'idle', nextRoundAtMs: step.nowMs + step.state.limits.stallMs };
}

function startAfresh(step: Step, swarm: Swarm): void {
  forgetFailures(swarm);
  becomeIdle(step, swarm);
}

function forgetFailures(swarm: Swarm): void {
  swarm.unable.clear();
  swarm.attempts = 0;
  swarm.lastError = undefined;
}

/** With nobody reading: sees whether anything must be read. */
function reconsider(step: Step, swarm: Swarm): void {
  const { phase } = swarm;
  if (phase.kind !== 'idle' || incompleteCount(swarm) === 0 || swarm.availability.unheldCount === 0) return;
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

function startRound(step: Step, swarm: Swarm): void {
  if (incompleteCount(swarm) === 0) {
    becomeIdle(step, swarm);
    return;
  }
  const { nowMs, state } = step;
  swarm.lastRoundAtMs = nowMs;
  const waiting = new Set(swarm.members.keys());
  swarm.phase = { kind: 'settling', waiting, untilMs: nowMs + state.limits.settleMs, readerAlive: false };
  for (const id of waiting) askFor(step, swarm, id);
}

/** Asks one member for its holdings, naming who was granted the lease. */
function askFor(step: Step, swarm: Swarm, to: PeerId): void {
  step.effects.push({ kind: 'reportHoldings', to, snapshot: swarm.id, holder: swarm.reader?.peer });
}

function answered(step: Step, swarm: Swarm, id: PeerId): void {
  if (swarm.phase.kind !== 'settling') return;
  swarm.phase.waiting.delete(id);
  if (swarm.phase.waiting.size === 0) finishRound(step, swarm);
}

/** All have answered, or had their time. */
function finishRound(step: Step, swarm: Swarm): void {
  if (swarm.phase.kind === 'settling' && swarm.phase.readerAlive && swarm.reader) {
    swarm.phase = { kind: 'doubted', askAtMs: step.nowMs + step.state.limits.settleMs };
    return;
  }
  grantMissing(step, swarm);
}

/** Grants what nobody holds to whoever is best placed to read it. */
function grantMissing(step: Step, swarm: Swarm): void {
  swarm.reader = undefined;
  const spans = swarm.availability.unheld();
  const peer = spans.length === 0 ? undefined : chooseReader(swarm);
  if (peer === undefined) {
    if (spans.length > 0 && swarm.lastError) failSwarm(step, swarm, swarm.lastError);
    else becomeIdle(step, swarm);
    return;
  }
  const epoch = Math.max(swarm.epoch + 1, step.state.epochBase);
  swarm.epoch = epoch;
  swarm.reader = { peer, epoch, spans };
  swarm.exact = false;
  swarm.phase = { kind: 'reading' };
  step.effects.push({ kind: 'lease', to: peer, snapshot: swarm.id, epoch, spans });
}

/** A seed by rendezvous; without one the member with most pieces, and of these the earliest. */
function chooseReader(swarm: Swarm): PeerId | undefined {
  const seeds = Array.from(swarm.seeds, (member) => member.peer.info.id);
  const seed = rendezvous(
    swarm.id,
    seeds.filter((id) => !swarm.unable.has(id)),
  );
  if (seed !== undefined) return seed;
  let best: Member | undefined;
  for (const [id, member] of swarm.members) {
    if (swarm.unable.has(id)) continue;
    if (!best || member.held.count > best.held.count) best = member;
  }
  return best?.peer.info.id;
}

function withSpans({ held }: Member, spans: readonly Range[]): Member['held'] {
  const result = held.clone();
  for (const { start, end } of spans) for (let piece = start; piece < end; piece += 1) result.add(piece);
  return result;
}

/** Another may be able to: what the failed one has read by then is kept, so members are asked first. */
function readerFailed(step: Step, swarm: Swarm, id: PeerId, error: ErrorRecord): void {
  swarm.unable.add(id);
  swarm.attempts += 1;
  swarm.lastError = error;
  if (swarm.availability.unheldCount === 0) becomeIdle(step, swarm);
  else if (swarm.attempts < step.state.limits.maxLeaseAttempts && chooseReader(swarm) !== undefined) {
    startRound(step, swarm);
  } else failSwarm(step, swarm, error);
}

/** No member is complete, or nothing would be missing: all give up. */
function failSwarm(step: Step, swarm: Swarm, error: ErrorRecord): void {
  for (const to of swarm.members.keys()) {
    step.effects.push({ kind: 'swarmFailed', to, snapshot: swarm.id, error });
  }
  forgetFailures(swarm);
  swarm.phase = { kind: 'failed', untilMs: step.nowMs + step.state.limits.retryMs, wanted: false };
}

/** Pieces of the lease; 0 where they are not known. */
export function leasedPieces(swarm: Swarm): number {
  return swarm.reader?.spans?.reduce((sum, span) => sum + rangeLength(span), 0) ?? 0;
}
