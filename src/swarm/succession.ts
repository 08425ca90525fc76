// Who reads the origin when the scheduler is gone: as a pure machine beside machine.ts, one for each swarm of a host.
//
// While a host has no scheduler it exchanges with its neighbours whom it knows in the swarm, and how long ago each was
// heard of. When nobody is known to read and pieces are missing that no neighbour has, one of the deputies that the
// scheduler named beforehand asks all members it knows for their vote and their holdings; with the votes of all that
// answer it reads what none of them holds, with a higher epoch.
//
// Invariants: a host votes for one candidate at a time, and for none while it has a scheduler, reads, or knows somebody
// who does; so in a mesh whose members know each other there is one reader. Only deputies can be believed (they have the
// scheduler's grant), so only they stand. All tables are bounded.

import { Bitfield, type PeerId, type PeerInfo, type Range, toRanges } from '../core/index.ts';

export interface SuccessionLimits {
  /** How long a host is without a scheduler before it stands. Default 10 s: a restarted one is back by then. */
  readonly electAfterMs: number;
  /** And without any progress. Default 5 s. */
  readonly stallMs: number;
  /** How often neighbours are told. Default 2 s. */
  readonly gossipMs: number;
  /** Neighbours that are told each time. Default 3: all of a thousand members hear of each other in five turns. */
  readonly fanOut: number;
  /** Who was not heard of for so long is taken for gone. Default 15 s. */
  readonly liveMs: number;
  /** How long a vote binds. Default 10 s. */
  readonly voteMs: number;
  /** How long a candidate waits for answers. Default 3 s. */
  readonly roundMs: number;
  /** Members that are remembered. Default 256. */
  readonly members: number;
  /** Neighbours up to which members that were heard of are dialled. Default 12. */
  readonly degree: number;
}

export const DEFAULT_SUCCESSION_LIMITS: SuccessionLimits = {
  electAfterMs: 10_000,
  stallMs: 5_000,
  gossipMs: 2_000,
  fanOut: 3,
  liveMs: 15_000,
  voteMs: 10_000,
  roundMs: 3_000,
  members: 256,
  degree: 12,
};

/** What one host knows of another in the swarm. */
export interface MemberNews {
  readonly info: PeerInfo;
  /** How long ago it said so itself. */
  readonly ageMs: number;
  readonly isDeputy: boolean;
  /** Of the lease that it holds; 0 for none. */
  readonly leaseEpoch: number;
}

/** A member's answer to a candidate. */
export interface Vote {
  readonly yes: boolean;
  /** The highest epoch it knows of. */
  readonly epoch: number;
  /** Wire form of what it can give. */
  readonly held: Uint8Array;
}

/** What the host knows of itself, given with each event. */
export interface SelfFacts {
  readonly info: PeerInfo;
  readonly isAttended: boolean;
  /** Whether it has a grant to read with. */
  readonly isDeputy: boolean;
  readonly leaseEpoch: number;
  /** Whether it lacks pieces that no neighbour has. */
  readonly isStarved: boolean;
  readonly lastProgressMs: number;
  readonly held: Bitfield;
  readonly neighbours: readonly PeerId[];
}

export type SuccessionEffect =
  /** Exchange news with these. */
  | { readonly kind: 'gossip'; readonly to: readonly PeerId[] }
  /** Ask these for their votes. */
  | { readonly kind: 'canvass'; readonly to: readonly PeerInfo[] }
  | { readonly kind: 'elected'; readonly epoch: number; readonly spans: readonly Range[] }
  /** Members to exchange with, heard of from others. */
  | { readonly kind: 'acquaint'; readonly peers: readonly PeerInfo[] };

interface Known {
  readonly info: PeerInfo;
  heardAtMs: number;
  isDeputy: boolean;
  leaseEpoch: number;
}

interface Round {
  readonly waiting: Set<PeerId>;
  readonly untilMs: number;
  readonly held: Bitfield;
  epoch: number;
  isRefused: boolean;
}

export interface SuccessionState {
  readonly limits: SuccessionLimits;
  readonly random: () => number;
  readonly known: Map<PeerId, Known>;
  detachedAtMs: number | undefined;
  nextGossipMs: number;
  highestEpoch: number;
  votedFor: { readonly candidate: PeerId; readonly untilMs: number } | undefined;
  round: Round | undefined;
  restUntilMs: number;
}

export function createSuccession(
  random: () => number,
  limits: Partial<SuccessionLimits> = {},
): SuccessionState {
  return {
    limits: { ...DEFAULT_SUCCESSION_LIMITS, ...limits },
    random,
    known: new Map(),
    detachedAtMs: undefined,
    nextGossipMs: 0,
    highestEpoch: 0,
    votedFor: undefined,
    round: undefined,
    restUntilMs: 0,
  };
}

/** What is due by time. */
export function successionTick(state: SuccessionState, self: SelfFacts, nowMs: number): SuccessionEffect[] {
  state.highestEpoch = Math.max(state.highestEpoch, self.leaseEpoch);
  if (self.isAttended) {
    state.detachedAtMs = undefined;
    state.round = undefined;
    return [];
  }
  state.detachedAtMs ??= nowMs;
  forget(state, nowMs);
  const effects: SuccessionEffect[] = [];
  if (nowMs >= state.nextGossipMs && self.neighbours.length > 0) {
    state.nextGossipMs = nowMs + state.limits.gossipMs;
    effects.push({ kind: 'gossip', to: sample(state, self.neighbours, state.limits.fanOut) });
  }
  if (state.round && nowMs >= state.round.untilMs) effects.push(...finishRound(state, self, nowMs));
  else if (mustStand(state, self, nowMs)) effects.push(stand(state, self, nowMs));
  return effects;
}

/** What this host tells: itself, then whom it heard of last. */
export function newsOf(state: SuccessionState, self: SelfFacts, nowMs: number): MemberNews[] {
  const { info, isDeputy, leaseEpoch } = self;
  const others = Array.from(state.known.values(), (known) => ({
    info: known.info,
    ageMs: nowMs - known.heardAtMs,
    isDeputy: known.isDeputy,
    leaseEpoch: known.leaseEpoch,
  }));
  return [{ info, ageMs: 0, isDeputy, leaseEpoch }, ...others];
}

/** News from a neighbour. */
export function hearNews(
  state: SuccessionState,
  self: SelfFacts,
  news: readonly MemberNews[],
  nowMs: number,
): SuccessionEffect[] {
  const fresh: PeerInfo[] = [];
  for (const { info, ageMs, isDeputy, leaseEpoch } of news.slice(0, state.limits.members + 1)) {
    if (info.id === self.info.id || !(ageMs >= 0 && ageMs < state.limits.liveMs)) continue;
    state.highestEpoch = Math.max(state.highestEpoch, leaseEpoch);
    const heardAtMs = nowMs - ageMs;
    const known = state.known.get(info.id);
    if (known && known.heardAtMs >= heardAtMs) continue;
    state.known.delete(info.id);
    state.known.set(info.id, { info, heardAtMs, isDeputy: isDeputy || known?.isDeputy === true, leaseEpoch });
    if (!known) fresh.push(info);
  }
  makeRoom(state);
  const wanted = state.limits.degree - self.neighbours.length;
  return wanted > 0 && fresh.length > 0 ? [{ kind: 'acquaint', peers: sample(state, fresh, wanted) }] : [];
}

/** Answers a candidate. */
export function vote(state: SuccessionState, self: SelfFacts, candidate: PeerId, nowMs: number): Vote {
  forget(state, nowMs);
  const bound = state.votedFor && nowMs < state.votedFor.untilMs && state.votedFor.candidate !== candidate;
  const yes = !bound && !self.isAttended && self.leaseEpoch === 0 && !knowsReader(state, candidate);
  if (yes) state.votedFor = { candidate, untilMs: nowMs + state.limits.voteMs };
  return { yes, epoch: Math.max(state.highestEpoch, self.leaseEpoch), held: self.held.toBytes() };
}

/** A member's answer came, or did not (`undefined`: it can't be reached, and is no part of the mesh). */
export function voteReceived(
  state: SuccessionState,
  self: SelfFacts,
  from: PeerId,
  answer: Vote | undefined,
  nowMs: number,
): SuccessionEffect[] {
  const { round } = state;
  if (!round?.waiting.delete(from)) return [];
  if (answer) {
    round.epoch = Math.max(round.epoch, answer.epoch);
    if (!answer.yes) round.isRefused = true;
    for (const piece of Bitfield.fromBytes(self.held.length, answer.held)?.values() ?? [])
      round.held.add(piece);
  } else state.known.delete(from);
  return round.waiting.size === 0 ? finishRound(state, self, nowMs) : [];
}

function mustStand(state: SuccessionState, self: SelfFacts, nowMs: number): boolean {
  const { electAfterMs, stallMs } = state.limits;
  if (state.round || !self.isDeputy || self.leaseEpoch > 0 || !self.isStarved) return false;
  if (nowMs < (state.detachedAtMs ?? nowMs) + electAfterMs || nowMs < self.lastProgressMs + stallMs)
    return false;
  if (nowMs < state.restUntilMs || knowsReader(state, self.info.id)) return false;
  // The deputy with the lowest id that lives stands; the next does when that one is not heard of any more.
  for (const { info, isDeputy } of state.known.values()) if (isDeputy && info.id < self.info.id) return false;
  return true;
}

function knowsReader({ known }: SuccessionState, except: PeerId): boolean {
  for (const { info, leaseEpoch } of known.values()) if (leaseEpoch > 0 && info.id !== except) return true;
  return false;
}

function stand(state: SuccessionState, self: SelfFacts, nowMs: number): SuccessionEffect {
  const own = vote(state, self, self.info.id, nowMs);
  const to = Array.from(state.known.values(), ({ info }) => info);
  state.round = {
    waiting: new Set(to.map(({ id }) => id)),
    untilMs: nowMs + (to.length === 0 ? 0 : state.limits.roundMs),
    held: self.held.clone(),
    epoch: own.epoch,
    isRefused: !own.yes,
  };
  return { kind: 'canvass', to };
}

/** All have answered, or had their time: who did not is not reached, and reads nothing. */
function finishRound(state: SuccessionState, self: SelfFacts, nowMs: number): SuccessionEffect[] {
  const { round } = state;
  state.round = undefined;
  // Whatever came of it: time for the news to spread, and not in step with another candidate.
  state.restUntilMs = nowMs + state.limits.stallMs * (1 + state.random());
  if (!round || round.isRefused || self.isAttended || knowsReader(state, self.info.id)) return [];
  const spans = toRanges(round.held.missing());
  if (spans.length === 0) return [];
  state.highestEpoch = round.epoch + 1;
  return [{ kind: 'elected', epoch: state.highestEpoch, spans }];
}

function forget(state: SuccessionState, nowMs: number): void {
  for (const [id, { heardAtMs }] of state.known) {
    if (nowMs - heardAtMs >= state.limits.liveMs) state.known.delete(id);
  }
}

/** The longest unheard go, deputies last. */
function makeRoom({ known, limits }: SuccessionState): void {
  for (const isLast of [false, true]) {
    for (const [id, { isDeputy }] of known) {
      if (known.size <= limits.members) return;
      if (!isDeputy || isLast) known.delete(id);
    }
  }
}

function sample<Value>({ random }: SuccessionState, values: readonly Value[], count: number): Value[] {
  const pool = [...values];
  const chosen: Value[] = [];
  while (chosen.length < count && pool.length > 0) {
    chosen.push(...pool.splice(Math.floor(random() * pool.length), 1));
  }
  return chosen;
}
