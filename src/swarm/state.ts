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
} from '../core/index.ts';
import { DEFAULT_SWARM_LIMITS, type SwarmLimits } from './limits.ts';

/** A neighbour that is connected. */
export interface LinkState {
  readonly peer: PeerId;
  readonly held: Bitfield;
  /** Pieces asked of it, with the time. */
  readonly asked: Map<number, number>;
  askedBytes: number;
  /** How many open pieces it holds. */
  wanted: number;
  /** It said it is busy: not asked before this. */
  pausedUntilMs: number;
  /** Failures in a row; a success resets it. */
  failures: number;
}

/** A neighbour to be connected to. */
export interface DialState {
  readonly info: PeerInfo;
  dialling: boolean;
  failures: number;
  nextDialMs: number;
}

/** A piece whose first bytes have come. */
interface Begun {
  readonly peer: PeerId;
  readonly atMs: number;
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
  readonly map: PieceMap;
  readonly limits: SwarmLimits;
  readonly random: Random;
  readonly held: Bitfield;
  /** Pieces that are not wanted any more. */
  readonly abandoned: Set<number>;
  /** Missing pieces that nobody was asked for and that no running read of this host brings. */
  readonly open: Set<number>;
  /** Whom a missing piece was asked of. */
  readonly claims: Map<number, Set<PeerId>>;
  /** Claimed pieces that a neighbour has begun to send. */
  readonly begun: Map<number, Begun>;
  /** Claimed pieces that take too long; looked at with each tick. */
  readonly stalled: Set<number>;
  readonly links: Map<PeerId, LinkState>;
  /** Links that something changed for: their windows are looked at before the step ends. */
  readonly touched: Set<LinkState>;
  readonly dials: Map<PeerId, DialState>;
  readonly banned: Set<PeerId>;
  /** How often a peer sent a piece whose proof nobody known has signed. Kept for each peer that was ever told of. */
  readonly unproven: Map<PeerId, number>;
  /** How many links hold each piece. */
  readonly copies: Uint16Array;
  /** Pieces this host read from the origin that no link holds. */
  readonly unshared: Set<number>;
  /** Of claimed pieces, each counted once. */
  inFlightBytes: number;
  lease: LeaseState | undefined;
  nextReadId: number;
  holding: boolean;
  /** When a neighbour last got something new, or this host did. */
  lastProgressMs: number;
  /** Moving average of how long a piece takes from its first byte; 0 before the first. */
  pieceMs: number;
}

export interface SwarmOptions {
  readonly self: PeerId;
  readonly map: PieceMap;
  /** Pieces already verified on disk. Copied. */
  readonly held: Bitfield;
  readonly rngSeed: number;
  readonly limits?: Partial<SwarmLimits>;
}

export function createSwarmState({ self, map, held, rngSeed, limits }: SwarmOptions): SwarmState {
  return {
    self,
    map,
    limits: { ...DEFAULT_SWARM_LIMITS, ...limits },
    random: seededRandom(rngSeed),
    held: held.clone(),
    abandoned: new Set(),
    open: new Set(held.missing()),
    claims: new Map(),
    begun: new Map(),
    stalled: new Set(),
    links: new Map(),
    touched: new Set(),
    dials: new Map(),
    banned: new Set(),
    unproven: new Map(),
    copies: new Uint16Array(map.pieceCount),
    unshared: new Set(),
    inFlightBytes: 0,
    lease: undefined,
    nextReadId: 1,
    holding: false,
    lastProgressMs: 0,
    pieceMs: 0,
  };
}

export function pieceBytes(state: SwarmState, piece: number): number {
  return state.map.sizeOf(piece);
}

/** Whether another piece may be asked for. */
export function mayClaimMore(state: SwarmState): boolean {
  const { maxInFlightBytes, piecesAtOnce } = state.limits;
  return state.inFlightBytes < maxInFlightBytes && state.claims.size - state.stalled.size < piecesAtOnce;
}

/** A missing piece may be asked of anybody. */
export function openPiece(state: SwarmState, piece: number): void {
  if (state.open.has(piece)) return;
  state.open.add(piece);
  for (const link of state.links.values()) {
    if (!link.held.has(piece)) continue;
    link.wanted += 1;
    state.touched.add(link);
  }
}

export function closePiece(state: SwarmState, piece: number): void {
  if (!state.open.delete(piece)) return;
  for (const link of state.links.values()) if (link.held.has(piece)) link.wanted -= 1;
}

export function touchAll(state: SwarmState): void {
  for (const link of state.links.values()) state.touched.add(link);
}

/** A link gained a piece. */
export function addCopy(state: SwarmState, link: LinkState, piece: number): void {
  if (piece >= state.map.pieceCount || !link.held.add(piece)) return;
  state.copies[piece] = (state.copies[piece] ?? 0) + 1;
  state.unshared.delete(piece);
  if (state.open.has(piece)) link.wanted += 1;
  // What somebody sends already is asked of one more when it is overdue; the tick sees to that.
  else if (!state.claims.has(piece) || state.begun.has(piece)) return;
  state.touched.add(link);
}

/** A link turned out not to have a piece. */
export function removeCopy(state: SwarmState, link: LinkState, piece: number): void {
  if (!link.held.delete(piece)) return;
  state.copies[piece] = (state.copies[piece] ?? 1) - 1;
  if (state.open.has(piece)) link.wanted -= 1;
}

/** A link's holdings left with it. */
export function removeCopies(state: SwarmState, link: LinkState): void {
  for (const piece of link.held.values()) {
    state.copies[piece] = (state.copies[piece] ?? 1) - 1;
  }
}

/** Takes back that `peer` was asked for `piece`; the piece is open again when nobody else was. */
export function dropClaim(state: SwarmState, peer: PeerId, piece: number): void {
  const bytes = pieceBytes(state, piece);
  const link = state.links.get(peer);
  if (link?.asked.delete(piece)) {
    link.askedBytes -= bytes;
    state.touched.add(link);
  }
  const claimants = state.claims.get(piece);
  if (!claimants?.delete(peer)) return;
  if (state.begun.get(piece)?.peer === peer) state.begun.delete(piece);
  if (claimants.size > 0) return;
  if (!mayClaimMore(state)) touchAll(state);
  state.claims.delete(piece);
  state.stalled.delete(piece);
  state.inFlightBytes -= bytes;
  if (isWanted(state, piece) && !isBeingRead(state, piece)) openPiece(state, piece);
}

export function isBeingRead(state: SwarmState, piece: number): boolean {
  for (const read of state.lease?.reads.values() ?? []) {
    if (piece >= read.pieces.start && piece < read.pieces.end) return true;
  }
  return false;
}

/** Whether a piece is missing and has not been given up. */
export function isWanted(state: SwarmState, piece: number): boolean {
  return !state.held.has(piece) && !state.abandoned.has(piece);
}
