// The state of one host's share of a swarm, and the bookkeeping that more than one rule needs. Changed by step() and
// the rules it calls, by nobody else.

import {
  type Bitfield,
  type ErrorRecord,
  type PeerId,
  type PeerInfo,
  type PieceMap,
  type Random,
  type Range,
  seededRandom,
  zoneKey,
} from '../core/index.ts';
import { Holdings } from './holdings.ts';
import { DEFAULT_SWARM_LIMITS, type SwarmLimits } from './limits.ts';
import { createPace, type Pace } from './pace.ts';
import { PieceSet } from './piece-set.ts';
import type { ReadPace } from './types.ts';
import { createWidth, type Width } from './width.ts';

/** A neighbour that is connected. */
export interface LinkState {
  /** Where `SwarmState.holdings` has what it holds. */
  readonly row: number;
  /** Whether it is known to be in another zone. */
  isFar: boolean;
  readonly peer: PeerId;
  /** For `imports.ts`. */
  readonly idHash: number;
  /** Pieces asked of it. */
  readonly asked: Claim[];
  askedBytes: number;
  /** Those of them that it is sending. */
  readonly current: Claim[];
  /** Whether it is in `SwarmState.touched`. */
  isTouched: boolean;
  /** What it sends takes too long: it does not count as a lane until a piece has come from it. */
  stalled: boolean;
  /** A piece from it took far longer than others do: until then it is asked only for what nobody else has. */
  slowUntilMs: number;
  /** It said it is busy: not asked before this. */
  pausedUntilMs: number;
  /** Failures in a row; a success resets it. */
  failures: number;
}

/** A missing piece that was asked for. */
export interface Claim {
  readonly piece: number;
  readonly bytes: number;
  /** Whom it was asked of. */
  readonly links: LinkState[];
  /** Who has begun to send it: a second one only after the first was overdue. */
  readonly senders: LinkState[];
  /** When the last of them began. */
  begunMs: number;
  /** That was long ago: one more may be asked for it. */
  overdue: boolean;
}

/** A neighbour to be connected to. */
export interface DialState {
  readonly info: PeerInfo;
  dialling: boolean;
  failures: number;
  nextDialMs: number;
}

export interface OriginRead {
  readonly pieces: Range;
}

export interface LeaseState {
  readonly epoch: number;
  /** Pieces still to be read, not in any running read: ascending, disjoint, each within one blob. */
  readonly runs: Range[];
  readonly reads: Map<number, OriginRead>;
  error: ErrorRecord | undefined;
  readonly sinceMs: number;
  /** Read from the origin since then. */
  readBytes: number;
  /** When the scheduler was last told how much is left, and what it was told. */
  toldAtMs: number;
  toldLeftPieces: number;
}

export interface SwarmState {
  readonly self: PeerId;
  /** As `zoneKey` has it. */
  readonly zone: string;
  readonly map: PieceMap;
  readonly limits: SwarmLimits;
  readonly random: Random;
  readonly held: Bitfield;
  /** Pieces that are not wanted any more. */
  readonly abandoned: Set<number>;
  /** Missing pieces that nobody sends, or sends too slowly, and that no running read of this host brings. */
  readonly open: PieceSet;
  /** What is still to be read by those who read in order, in the order in which they came. See `readers.ts`. */
  readonly readers: Map<number, Range>;
  /** Of how many links each piece was asked. */
  readonly askedOf: Uint8Array;
  /** Missing pieces that were asked for, by number. */
  readonly claims: Map<number, Claim>;
  readonly links: Map<PeerId, LinkState>;
  readonly holdings: Holdings;
  /** How many of them are in other zones. */
  farLinks: number;
  /** Links that are sending a piece. */
  readonly active: LinkState[];
  /** How many links were asked for pieces and send none. */
  waiting: number;
  /** Those of them that are in other zones. */
  farWaiting: number;
  /** Links that something changed for: their windows are looked at before the step ends. */
  readonly touched: LinkState[];
  /** Whether that is all of them. */
  allTouched: boolean;
  readonly dials: Map<PeerId, DialState>;
  readonly banned: Set<PeerId>;
  /** How often a peer sent a piece whose proof nobody known has signed. Kept for each peer that was ever told of. */
  readonly unproven: Map<PeerId, number>;
  /** How many links hold each piece. */
  readonly copies: Uint16Array;
  /** Those of them that are in other zones. */
  readonly farCopies: Uint16Array;
  /** When the first of those was heard of. */
  readonly farSinceMs: Float64Array;
  /** Held pieces that no link holds. */
  readonly sole: PieceSet;
  /** Pieces this host read from the origin that no link holds. */
  readonly unshared: Set<number>;
  /** Of claimed pieces, each counted once. */
  claimedBytes: number;
  /** When the scheduler was last asked for neighbours; 0 before the first tick. */
  soughtAtMs: number;
  /** A `look` was asked for, and has not come yet. */
  isLookAsked: boolean;
  lease: LeaseState | undefined;
  nextReadId: number;
  readPace: ReadPace;
  /** When a neighbour last got something new, or this host did. */
  lastProgressMs: number;
  /** Since when somebody has not been told of a piece; 0 where all were. */
  untoldSinceMs: number;
  /** Moving average of how long a piece takes from its first byte; 0 before the first. */
  pieceMs: number;
  /** Neighbours of this zone that send at once. */
  readonly lanes: Width;
  readonly pace: Pace;
}

export interface SwarmOptions {
  readonly self: PeerId;
  /** The host's topology label. Default none. */
  readonly zone?: string;
  readonly map: PieceMap;
  /** Pieces already verified on disk. Copied. */
  readonly held: Bitfield;
  readonly rngSeed: number;
  readonly limits?: Partial<SwarmLimits>;
}

export function createSwarmState({ self, zone = '', map, held, rngSeed, limits }: SwarmOptions): SwarmState {
  const allLimits = { ...DEFAULT_SWARM_LIMITS, ...limits };
  return {
    self,
    zone: zoneKey({ zone }),
    map,
    limits: allLimits,
    random: seededRandom(rngSeed),
    held: held.clone(),
    abandoned: new Set(),
    open: PieceSet.from(map.pieceCount, held.missing()),
    readers: new Map(),
    askedOf: new Uint8Array(map.pieceCount),
    claims: new Map(),
    links: new Map(),
    holdings: new Holdings(map.pieceCount),
    farLinks: 0,
    active: [],
    waiting: 0,
    farWaiting: 0,
    touched: [],
    allTouched: false,
    dials: new Map(),
    banned: new Set(),
    unproven: new Map(),
    copies: new Uint16Array(map.pieceCount),
    farCopies: new Uint16Array(map.pieceCount),
    farSinceMs: new Float64Array(map.pieceCount),
    sole: PieceSet.from(map.pieceCount, held.values()),
    unshared: new Set(),
    claimedBytes: 0,
    soughtAtMs: 0,
    isLookAsked: false,
    lease: undefined,
    nextReadId: 1,
    readPace: 'all',
    lastProgressMs: 0,
    untoldSinceMs: 0,
    pieceMs: 0,
    lanes: createWidth(allLimits.lanes),
    pace: createPace(),
  };
}

export function pieceBytes(state: SwarmState, piece: number): number {
  return state.map.sizeOf(piece);
}

/** Lanes, near or far, that nobody uses: who sends has one, the stalled left out. The first piece comes over one alone. */
export function freeLanes({ active, limits, lanes, held }: SwarmState, isFar: boolean): number {
  let free = isFar ? limits.farLanes : held.count === 0 ? 1 : lanes.now;
  for (const link of active) if (link.isFar === isFar && !link.stalled) free -= 1;
  return free;
}

/** Whether a link was asked for pieces and sends none. */
export function isWaiting({ asked, current }: LinkState): boolean {
  return asked.length > 0 && current.length === 0;
}

function countWaiting(state: SwarmState, { isFar }: LinkState, change: 1 | -1): void {
  state.waiting += change;
  if (isFar) state.farWaiting += change;
}

/** Something changed for a link. */
export function touch({ touched }: SwarmState, link: LinkState): void {
  if (link.isTouched) return;
  link.isTouched = true;
  touched.push(link);
}

/** A missing piece may be asked of anybody. */
export function openPiece(state: SwarmState, piece: number): void {
  if (state.open.add(piece)) state.allTouched = true;
}

export function closePiece(state: SwarmState, piece: number): void {
  state.open.delete(piece);
}

/** A link gained a piece; whether that is news. */
export function addCopy(state: SwarmState, link: LinkState, piece: number, nowMs: number): boolean {
  if (!state.holdings.add(link.row, piece)) return false;
  count(state, link, piece, nowMs);
  if (state.unshared.size > 0) state.unshared.delete(piece);
  return true;
}

function count(state: SwarmState, { isFar }: LinkState, piece: number, nowMs: number): void {
  state.copies[piece] = (state.copies[piece] ?? 0) + 1;
  state.sole.delete(piece);
  if (!isFar) return;
  if (state.farCopies[piece] === 0) state.farSinceMs[piece] = nowMs;
  state.farCopies[piece] = (state.farCopies[piece] ?? 0) + 1;
}

/** A link turned out not to have a piece. */
export function removeCopy(state: SwarmState, link: LinkState, piece: number): void {
  if (state.holdings.delete(link.row, piece)) uncount(state, link, piece);
}

function uncount(state: SwarmState, { isFar }: LinkState, piece: number): void {
  state.copies[piece] = (state.copies[piece] ?? 1) - 1;
  if (state.copies[piece] === 0 && state.held.has(piece)) state.sole.add(piece);
  if (isFar) state.farCopies[piece] = (state.farCopies[piece] ?? 1) - 1;
}

/** A link's holdings came with it. */
export function addCopies(state: SwarmState, link: LinkState, nowMs: number): void {
  if (link.isFar) state.farLinks += 1;
  for (const piece of state.holdings.values(link.row)) {
    count(state, link, piece, nowMs);
    state.unshared.delete(piece);
  }
}

/** A link's holdings left with it. */
export function removeCopies(state: SwarmState, link: LinkState): void {
  if (link.isFar) state.farLinks -= 1;
  for (const piece of state.holdings.values(link.row)) uncount(state, link, piece);
}

/** The scheduler said in which zone a neighbour is. */
export function setFar(state: SwarmState, link: LinkState, isFar: boolean, nowMs: number): void {
  if (link.isFar === isFar) return;
  const isAsked = isWaiting(link);
  if (isAsked) countWaiting(state, link, -1);
  removeCopies(state, link);
  link.isFar = isFar;
  if (isAsked) countWaiting(state, link, 1);
  addCopies(state, link, nowMs);
}

/** A piece is asked of a link, as the first or as one more. */
export function addClaim(state: SwarmState, link: LinkState, piece: number): void {
  let claim = state.claims.get(piece);
  if (!claim) {
    const bytes = pieceBytes(state, piece);
    claim = { piece, bytes, links: [], senders: [], begunMs: 0, overdue: false };
    state.claims.set(piece, claim);
    state.claimedBytes += bytes;
  }
  claim.links.push(link);
  state.askedOf[piece] = claim.links.length;
  const wasWaiting = isWaiting(link);
  link.asked.push(claim);
  link.askedBytes += claim.bytes;
  if (isWaiting(link) && !wasWaiting) countWaiting(state, link, 1);
}

/** A link has begun to send a piece that it was asked for. */
export function beginClaim(state: SwarmState, link: LinkState, claim: Claim, nowMs: number): void {
  claim.senders.push(link);
  closePiece(state, claim.piece);
  claim.begunMs = nowMs;
  claim.overdue = false;
  if (isWaiting(link)) countWaiting(state, link, -1);
  if (link.current.length === 0) state.active.push(link);
  link.current.push(claim);
}

/** All of a piece has come, or no more of it will: its sender is free for the next. */
export function freeLane(state: SwarmState, link: LinkState, claim: Claim): void {
  const at = link.current.indexOf(claim);
  if (at < 0) return;
  link.current.splice(at, 1);
  if (link.current.length > 0) return;
  remove(state.active, link);
  if (isWaiting(link)) countWaiting(state, link, 1);
  state.allTouched = true;
}

/** Takes back that `link` was asked; the piece is open again when nobody else was. */
export function dropClaim(state: SwarmState, link: LinkState, claim: Claim): void {
  if (!remove(claim.links, link)) return;
  const wasWaiting = isWaiting(link);
  remove(link.asked, claim);
  link.askedBytes -= claim.bytes;
  if (wasWaiting && !isWaiting(link)) countWaiting(state, link, -1);
  state.askedOf[claim.piece] = claim.links.length;
  touch(state, link);
  if (claim.senders.includes(link)) {
    freeLane(state, link, claim);
    remove(claim.senders, link);
  }
  if (claim.links.length === 0) {
    state.claims.delete(claim.piece);
    state.claimedBytes -= claim.bytes;
  }
  if (claim.senders.length > 0) return;
  if (isWanted(state, claim.piece) && !isBeingRead(state, claim.piece)) openPiece(state, claim.piece);
}

function remove<Item>(items: Item[], item: Item): boolean {
  const at = items.indexOf(item);
  if (at < 0) return false;
  items.splice(at, 1);
  return true;
}

export function isBeingRead(state: SwarmState, piece: number): boolean {
  for (const read of state.lease?.reads.values() ?? []) {
    if (piece >= read.pieces.start && piece < read.pieces.end) return true;
  }
  return false;
}

/** Whether pieces are missing that no neighbour has and nobody here reads. */
export function isStarved(state: SwarmState): boolean {
  for (const piece of state.open.values()) if ((state.copies[piece] ?? 0) === 0) return true;
  return false;
}

/** How many pieces a neighbour holds, as far as is known; 0 where there is no link to it. */
export function heldCount(state: SwarmState, peer: PeerId): number {
  const link = state.links.get(peer);
  return link ? state.holdings.count(link.row) : 0;
}

/** Whether a piece is missing and has not been given up. */
export function isWanted(state: SwarmState, piece: number): boolean {
  return !state.held.has(piece) && !state.abandoned.has(piece);
}
