// What the scheduler machine remembers. Only step() changes it; views.ts shows it. Plain data with small containers.

import {
  Bitfield,
  type BlobKey,
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

/** Who holds an origin lease. The spans of two readers never overlap. */
export interface Reader {
  readonly peer: PeerId;
  readonly epoch: number;
  readonly sinceMs: number;
  spans: readonly Range[];
  /** Of the spans, how many pieces it has still to read, as it last said. */
  leftPieces: number;
  /** When it last said so, or got the lease. */
  progressAtMs: number;
  /** The scheduler has no connection with it; members may still get pieces from it. */
  isLost: boolean;
  /** For whom it was asked to give up a part, until it answers. */
  yieldsTo: PeerId | undefined;
  /** It said that it has too little left to share. */
  keeps: boolean;
}

/** An origin that is read, or asked for a pause; see origins.ts. */
export interface Origin {
  /** Who reads there, with how many leases. */
  readonly holders: Map<PeerId, number>;
  pausedUntilMs: number;
}

export interface Voucher {
  readonly readerKey: Uint8Array;
  readonly hosts: Set<string>;
  isTaken: boolean;
}

/** What is kept for seeds that were invited, in equal parts. Nobody has read of it. */
interface Reserve {
  spans: readonly Range[];
  parts: number;
  readonly untilMs: number;
}

/** How the origin of a swarm is being read. See lease.ts. */
type LeasePhase =
  /** Where nobody reads, or a reader is lost, a round is due at `nextRoundAtMs` if members are incomplete then. */
  | { readonly kind: 'open'; nextRoundAtMs: number }
  /** Members were asked for their holdings; `heard` are the lost readers that they still get pieces from. */
  | {
      readonly kind: 'settling';
      readonly waiting: Set<PeerId>;
      readonly untilMs: number;
      readonly heard: Set<PeerId>;
    }
  /** Nobody could read; a join makes it start afresh, from `untilMs` on. */
  | { readonly kind: 'failed'; readonly untilMs: number; wanted: boolean };

export interface Swarm {
  readonly id: SnapshotId;
  readonly url: string;
  readonly origin: string;
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
  readonly readers: Map<PeerId, Reader>;
  reserve: Reserve | undefined;
  /** Whether this scheduler granted anything here: then what it did not grant itself is over. */
  hasGranted: boolean;
  /** When seeds were last invited. */
  invitedAtMs: number;
  phase: LeasePhase;
  /** Whether the reports are all that members hold: nobody has read yet, and nobody can be missing after a restart. */
  exact: boolean;
  /** Whether somebody joined soon after this scheduler's start with pieces or a lease: it lives since before. */
  outlivedRestart: boolean;
  lastRoundAtMs: number;
  /** Readers of before this scheduler, by their keys in hex, with the hosts that named them; see vouchers.ts. */
  readonly vouched: Map<string, Voucher>;
  /** Members that may be elected where the scheduler is gone. */
  readonly deputies: Set<PeerId>;
  readonly unable: Set<PeerId>;
  /** Members whose pieces nobody wants; see suspects.ts. */
  readonly condemned: Set<PeerId>;
  /** Readers that failed one after another. */
  attempts: number;
  lastError: ErrorRecord | undefined;
  failedAtMs: number;
  emptySinceMs: number;
}

export interface Zone {
  readonly key: string;
  readonly members: Roster<Member>;
}

/** Which complete blobs peers hold; see blob-index.ts. */
export interface BlobIndex {
  readonly holders: Map<BlobKey, Set<PeerId>>;
  readonly keys: Map<PeerId, Set<BlobKey>>;
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
  readonly blobs: BlobIndex;
  readonly ignored: IgnoredCounts;
  /** By name. */
  readonly origins: Map<string, Origin>;
  /** The hosts that named a peer for wrong bytes, the last named last. */
  readonly accusers: Map<PeerId, Set<string>>;
  /** Until when a peer is condemned. */
  readonly condemned: Map<PeerId, number>;
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
    blobs: { holders: new Map(), keys: new Map() },
    origins: new Map(),
    accusers: new Map(),
    condemned: new Map(),
    ignored: { unknownPeer: 0, overLimit: 0, invalid: 0 },
    epochBase,
    firstEventMs: undefined,
    hadPredecessor: false,
  };
}

export interface SwarmFacts {
  readonly id: SnapshotId;
  readonly url: string;
  readonly origin: string;
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
    readers: new Map(),
    reserve: undefined,
    hasGranted: false,
    invitedAtMs: -Infinity,
    phase: { kind: 'open', nextRoundAtMs: nowMs },
    exact,
    outlivedRestart: false,
    lastRoundAtMs: -Infinity,
    vouched: new Map(),
    deputies: new Set(),
    unable: new Set(),
    condemned: new Set(),
    attempts: 0,
    lastError: undefined,
    failedAtMs: -Infinity,
    emptySinceMs: nowMs,
  };
}

/** Members that want pieces, those left out that nobody works for. */
export function incompleteCount(swarm: Swarm): number {
  return swarm.members.size - swarm.condemned.size - swarm.availability.fullCount;
}

export function isCondemned({ condemned }: SchedulerState, id: PeerId, nowMs: number): boolean {
  return nowMs < (condemned.get(id) ?? -Infinity);
}

/** Replaces what a member is known to hold. What a condemned one holds is nothing to anybody. */
export function setHeld(swarm: Swarm, member: Member, reported: Bitfield): void {
  const held = swarm.condemned.has(member.peer.info.id) ? swarm.noneHeld : reported;
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
