// What the scheduler machine remembers. Only step() changes it; views.ts shows it. Plain data with small containers.

import {
  Bitfield,
  type ErrorRecord,
  type PeerId,
  type PeerInfo,
  type Random,
  type Range,
  type SnapshotId,
  seededRandom,
} from '../core/index.ts';
import { Availability } from './availability.ts';
import { defaultSchedulerLimits, type SchedulerLimits } from './limits.ts';
import { Roster } from './roster.ts';
import type { SchedulerEffect } from './types.ts';

export interface Peer {
  info: PeerInfo;
  lastHeardMs: number;
  readonly swarms: Set<SnapshotId>;
  /** After a repeated announce: swarms not joined again yet, left when `rejoinByMs` is over. */
  readonly unconfirmed: Set<SnapshotId>;
  rejoinByMs: number;
}

export interface Member {
  readonly peer: Peer;
  /** As last reported; what it really holds is this or more. Replaced, never changed: nothing and everything are shared. */
  held: Bitfield;
  /** Symmetric: `a.links` has b exactly when `b.links` has a. */
  readonly links: Set<Member>;
  /** Where the rosters have it; see seat() and unseat(). */
  zone: string;
  isSeed: boolean;
}

/** Whom the swarm's latest epoch was granted to, as long as it has not ended the lease; it may be lost. */
interface Reader {
  readonly peer: PeerId;
  readonly epoch: number;
  /** `undefined` where a former scheduler granted it. */
  readonly spans: readonly Range[] | undefined;
}

/** How the origin of a swarm is being read. See lease.ts. */
type LeasePhase =
  /** Nobody reads; a round is due at `nextRoundAtMs` if members are incomplete then. */
  | { readonly kind: 'idle'; nextRoundAtMs: number }
  /** The reader is a live member. */
  | { readonly kind: 'reading' }
  /** Members were asked for their holdings. */
  | {
      readonly kind: 'settling';
      readonly waiting: Set<PeerId>;
      readonly untilMs: number;
      readerAlive: boolean;
    }
  /** The reader is lost to the scheduler, but members still get pieces from it. */
  | { readonly kind: 'doubted'; readonly askAtMs: number }
  /** Nobody could read; a join makes it start afresh, from `untilMs` on. */
  | { readonly kind: 'failed'; readonly untilMs: number; wanted: boolean };

export interface Swarm {
  readonly id: SnapshotId;
  readonly url: string;
  readonly totalBytes: number;
  readonly pieceCount: number;
  readonly noneHeld: Bitfield;
  readonly allHeld: Bitfield;
  readonly availability: Availability;
  /** In the order of joining. */
  readonly members: Map<PeerId, Member>;
  readonly all: Roster<Member>;
  readonly seeds: Roster<Member>;
  readonly zones: Map<string, Zone>;
  readonly zoneRoster: Roster<Zone>;
  /** The highest granted or claimed; 0 for none. */
  epoch: number;
  reader: Reader | undefined;
  phase: LeasePhase;
  /** Whether the reports are all that members hold: nobody has read yet, and nobody can be missing after a restart. */
  exact: boolean;
  /** Whether somebody joined soon after this scheduler's start with pieces or a lease: it lives since before. */
  outlivedRestart: boolean;
  lastRoundAtMs: number;
  readonly unable: Set<PeerId>;
  attempts: number;
  lastError: ErrorRecord | undefined;
  emptySinceMs: number;
}

export interface Zone {
  readonly key: string;
  readonly members: Roster<Member>;
}

/** What was ignored, by reason; monotonic. */
export interface IgnoredCounts {
  unknownPeer: number;
  overLimit: number;
  invalid: number;
}

export interface SchedulerState {
  readonly limits: SchedulerLimits;
  readonly random: Random;
  readonly peers: Map<PeerId, Peer>;
  readonly seeds: Set<PeerId>;
  readonly swarms: Map<SnapshotId, Swarm>;
  /** Who answers for a ref where there is no seed; in order of use. */
  readonly refs: Map<string, PeerId>;
  readonly ignored: IgnoredCounts;
  /** The least epoch to grant. Above every epoch of a swarm that was forgotten. */
  epochBase: number;
  firstEventMs: number | undefined;
  /** Whether anything has shown that another scheduler was here before. */
  hadPredecessor: boolean;
}

export interface SchedulerOptions {
  /** Makes a run repeatable. */
  readonly rngSeed: number;
  readonly limits?: Partial<SchedulerLimits>;
  /**
   * The least epoch to grant. Default 1. A scheduler that can be restarted gives the time of its start in milliseconds:
   * then no epoch of an earlier run is ever granted again, though nothing is kept on disk.
   */
  readonly epochBase?: number;
}

/** One call of step(): where it reads, when it is, what it sends. */
export interface Step {
  readonly state: SchedulerState;
  readonly nowMs: number;
  readonly effects: SchedulerEffect[];
}

export function createSchedulerState({ rngSeed, limits, epochBase = 1 }: SchedulerOptions): SchedulerState {
  return {
    limits: { ...defaultSchedulerLimits, ...limits },
    random: seededRandom(rngSeed),
    peers: new Map(),
    seeds: new Set(),
    swarms: new Map(),
    refs: new Map(),
    ignored: { unknownPeer: 0, overLimit: 0, invalid: 0 },
    epochBase,
    firstEventMs: undefined,
    hadPredecessor: false,
  };
}

export interface SwarmFacts {
  readonly id: SnapshotId;
  readonly url: string;
  readonly totalBytes: number;
  readonly pieceCount: number;
}

export function createSwarm(facts: SwarmFacts, exact: boolean, nowMs: number): Swarm {
  return {
    ...facts,
    noneHeld: new Bitfield(facts.pieceCount),
    allHeld: Bitfield.full(facts.pieceCount),
    availability: new Availability(facts.pieceCount),
    members: new Map(),
    all: new Roster(),
    seeds: new Roster(),
    zones: new Map(),
    zoneRoster: new Roster(),
    epoch: 0,
    reader: undefined,
    phase: { kind: 'idle', nextRoundAtMs: nowMs },
    exact,
    outlivedRestart: false,
    lastRoundAtMs: -Infinity,
    unable: new Set(),
    attempts: 0,
    lastError: undefined,
    emptySinceMs: nowMs,
  };
}

export function incompleteCount(swarm: Swarm): number {
  return swarm.members.size - swarm.availability.fullCount;
}

/** Replaces what a member is known to hold. */
export function setHeld(swarm: Swarm, member: Member, held: Bitfield): void {
  swarm.availability.remove(member.held);
  member.held = held.isFull ? swarm.allHeld : held.count === 0 ? swarm.noneHeld : held;
  swarm.availability.add(member.held);
}

/** From when on leases may be granted: until then, members of before a restart of the scheduler may not be back. */
export function grantsFromMs(state: SchedulerState, swarm?: Swarm): number {
  const { limits, firstEventMs, hadPredecessor } = state;
  const restarted = hadPredecessor || swarm?.outlivedRestart === true;
  return (firstEventMs ?? -Infinity) + (restarted ? limits.restartSettleMs : limits.startSettleMs);
}
