// What the holder of a lease tells of it, and how it gives a part of it back so that another can read that: stretches that
// it has not begun, last first, and where these do not make half, the ends of what it is reading. As few running reads
// as possible are cut: each cut wastes what the origin has sent ahead on its connection.

import { type Range, toRanges } from '../core/index.ts';
import {
  isWanted,
  type LeaseState,
  type OriginRead,
  openPiece,
  pieceBytes,
  type SwarmState,
} from './state.ts';
import type { SwarmEffect } from './types.ts';

/** A running read keeps what it has begun and this many pieces after it: they may be here before the cut is. */
const KEPT_PIECES = 2;

/** The pieces of the lease that are not here, ascending. */
export function unreadSpans(state: SwarmState): Range[] {
  const { lease } = state;
  if (!lease) return [];
  const pieces = [...lease.runs, ...readRanges(lease)].flatMap((range) => wantedIn(state, range));
  return toRanges(pieces.toSorted((left, right) => left - right));
}

function readRanges(lease: LeaseState): Range[] {
  return Array.from(lease.reads.values(), ({ pieces }) => pieces);
}

function wantedIn(state: SwarmState, { start, end }: Range): number[] {
  const pieces: number[] = [];
  for (let piece = start; piece < end; piece += 1) if (isWanted(state, piece)) pieces.push(piece);
  return pieces;
}

function bytesOf(state: SwarmState, pieces: readonly number[]): number {
  return pieces.reduce((sum, piece) => sum + pieceBytes(state, piece), 0);
}

/** Says now and then how much of the lease is left, as long as it becomes less. */
export function tellProgress(state: SwarmState, nowMs: number, effects: SwarmEffect[]): void {
  const { lease } = state;
  if (!lease || nowMs < lease.toldAtMs + state.limits.progressMs) return;
  const leftPieces = unreadSpans(state).reduce((sum, { start, end }) => sum + end - start, 0);
  if (leftPieces >= lease.toldLeftPieces) return;
  lease.toldAtMs = nowMs;
  lease.toldLeftPieces = leftPieces;
  effects.push({ kind: 'leaseProgress', epoch: lease.epoch, leftPieces });
}

/** Gives about half of what is left back, or nothing where that is too little. */
export function yieldLease(state: SwarmState, epoch: number, nowMs: number, effects: SwarmEffect[]): void {
  const { lease } = state;
  if (lease?.epoch !== epoch) return;
  const given = isWorthSharing(state, lease, nowMs) ? takeHalf(state, lease, effects) : [];
  const spans = toRanges(given.toSorted((left, right) => left - right));
  for (const piece of given) if (!state.claims.has(piece)) openPiece(state, piece);
  effects.push({ kind: 'leaseYielded', epoch, spans });
}

function isWorthSharing(state: SwarmState, lease: LeaseState, nowMs: number): boolean {
  const { minYieldBytes, minYieldMs } = state.limits;
  const left = bytesOf(
    state,
    [...lease.runs, ...readRanges(lease)].flatMap((range) => wantedIn(state, range)),
  );
  const perMs = lease.readBytes / Math.max(1, nowMs - lease.sinceMs);
  return left >= Math.max(2 * minYieldBytes, perMs * minYieldMs);
}

function takeHalf(state: SwarmState, lease: LeaseState, effects: SwarmEffect[]): number[] {
  const waiting = lease.runs.flatMap((run) => wantedIn(state, run));
  const cuttable = Array.from(lease.reads, ([readId, read]) => ({
    readId,
    read,
    ends: cuttableEnd(state, read),
  }));
  const inReads = cuttable.reduce((sum, { ends }) => sum + ends.length, 0);
  const half = Math.floor((waiting.length + inReads) / 2);
  const given = waiting.slice(Math.max(0, waiting.length - half));
  dropFromRuns(lease, new Set(given));
  cuttable.sort((left, right) => right.ends.length - left.ends.length);
  for (const { readId, read, ends } of cuttable) {
    const cut = ends.slice(Math.max(0, ends.length - (half - given.length)));
    const [end] = cut;
    if (end === undefined || given.length >= half) continue;
    lease.reads.set(readId, { ...read, pieces: { start: read.pieces.start, end } });
    effects.push({ kind: 'shortenRead', readId, end });
    given.push(...cut);
  }
  return given;
}

/** The pieces of a running read from its end back to where it is, without what is kept. */
function cuttableEnd(state: SwarmState, { pieces }: OriginRead): number[] {
  const missing = wantedIn(state, pieces);
  const [first] = missing;
  if (first === undefined) return [];
  return missing.filter((piece) => piece > first + KEPT_PIECES);
}

function dropFromRuns(lease: LeaseState, given: ReadonlySet<number>): void {
  const kept = lease.runs.flatMap(({ start, end }) => {
    const pieces = Array.from({ length: end - start }, (_, at) => start + at);
    return toRanges(pieces.filter((piece) => !given.has(piece)));
  });
  lease.runs.splice(0, lease.runs.length, ...kept);
}
