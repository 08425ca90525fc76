// The lease holder's decisions: which pieces to read next, in how few requests, and when to wait for the swarm.
//
// Invariant: only pieces inside the lease are read, each by one read at a time; what arrives from a neighbour meanwhile
// is not asked of the origin any more if its read has not begun.

import type { ErrorRecord, Range } from '../core/index.ts';
import { firstReaders } from './readers.ts';
import { closePiece, isWanted, type LeaseState, openPiece, pieceBytes, type SwarmState } from './state.ts';
import type { SwarmEffect } from './types.ts';

/** Takes a lease; one with a lower epoch than the present is stale and ignored. */
export function takeLease(state: SwarmState, epoch: number, spans: readonly Range[], nowMs: number): void {
  if (state.lease && epoch <= state.lease.epoch) return;
  const lease: LeaseState = {
    epoch,
    runs: [],
    reads: state.lease?.reads ?? new Map(),
    error: undefined,
    sinceMs: nowMs,
    readBytes: 0,
    toldAtMs: nowMs,
    toldLeftPieces: Number.POSITIVE_INFINITY,
  };
  state.lease = lease;
  for (const span of spans) addRuns(state, lease, span);
}

/** What was not read is somebody else's to read; it is wanted from neighbours. The shell ends the running reads. */
export function loseLease(state: SwarmState): void {
  const { lease } = state;
  state.lease = undefined;
  for (const { pieces } of lease?.reads.values() ?? []) reopen(state, pieces);
}

function reopen(state: SwarmState, pieces: Range): void {
  for (let piece = pieces.start; piece < pieces.end; piece += 1) {
    if (isWanted(state, piece) && !state.claims.has(piece)) openPiece(state, piece);
  }
}

/** Cuts a span at blob borders and leaves out what is held or being read. */
function addRuns(state: SwarmState, lease: LeaseState, span: Range): void {
  const end = Math.min(span.end, state.map.pieceCount);
  let run: { start: number; end: number } | undefined;
  for (let piece = span.start; piece < end; piece += 1) {
    const wanted = isWanted(state, piece) && !isInReads(lease, piece);
    const firstOfBlob = state.map.locate(piece).index === 0;
    if (wanted && run && !firstOfBlob) run.end = piece + 1;
    else if (wanted) lease.runs.push((run = { start: piece, end: piece + 1 }));
    else run = undefined;
  }
}

function isInReads(lease: LeaseState, piece: number): boolean {
  for (const { pieces } of lease.reads.values()) if (piece >= pieces.start && piece < pieces.end) return true;
  return false;
}

/** Starts reads while there are free ones and something to read. */
export function startReads(state: SwarmState, effects: SwarmEffect[]): void {
  const { lease } = state;
  if (!lease || lease.error) return;
  while (lease.reads.size < state.limits.originReads) {
    const pieces = nextRead(state, lease);
    if (!pieces) return;
    const readId = state.nextReadId;
    state.nextReadId += 1;
    lease.reads.set(readId, { pieces });
    for (let piece = pieces.start; piece < pieces.end; piece += 1) closePiece(state, piece);
    effects.push({ kind: 'read', readId, pieces });
  }
}

/**
 * What a reader on this host waits for, in parts of the least size, so that they come one soon after another. Otherwise
 * a whole run where at least as many runs wait as reads are free; else parts of one, so that the last files are read in
 * parallel.
 */
function nextRead(state: SwarmState, lease: LeaseState): Range | undefined {
  for (const awaited of firstReaders(state)) {
    const run = nextRun(state, lease, awaited);
    if (run) return takePart(state, lease, run, 0);
  }
  const run = nextRun(state, lease, EVERYTHING);
  return run && takePart(state, lease, run, partOf(state, lease, run));
}

/** How many times as many parts a file has as reads are made of it at once. */
const ROUNDS = 2;

/**
 * How many pieces of a run are read by one request. A file is hashed in order, behind the first piece that is missing: if
 * as many parts as reads ended together, most of it would be hashed after the last byte has come.
 */
function partOf({ map, limits }: SwarmState, { runs, reads }: LeaseState, { start, end }: Range): number {
  const free = limits.originReads - reads.size;
  const share = Math.max(1, Math.floor(free / (runs.length + 1)));
  const blob = map.locate(start).blob.pieces;
  const isInParts =
    share > 1 || [...reads.values()].some(({ pieces }) => map.locate(pieces.start).blob.pieces === blob);
  const ofBlob = Math.ceil((blob.end - blob.start) / (ROUNDS * limits.originReads));
  const ofRun = Math.ceil((end - start) / share);
  return isInParts ? Math.min(ofBlob, ofRun) : ofRun;
}

const EVERYTHING: Range = { start: 0, end: Number.POSITIVE_INFINITY };

/** The beginning of a stretch that was taken off the runs, of so many pieces or the least that is worth a request. */
function takePart(state: SwarmState, lease: LeaseState, run: Range, pieces: number): Range {
  const atLeast = Math.ceil(state.limits.minReadBytes / pieceBytes(state, run.start));
  const end = Math.min(run.end, run.start + Math.max(pieces, atLeast));
  if (end < run.end) {
    const after = lease.runs.findIndex(({ start }) => start >= end);
    lease.runs.splice(after < 0 ? lease.runs.length : after, 0, { start: end, end: run.end });
  }
  return { start: run.start, end };
}

/**
 * Takes the first stretch within some pieces off the runs that is neither held nor on its way from a neighbour. Held
 * pieces leave the runs; those on their way stay, in case they do not arrive.
 */
function nextRun(state: SwarmState, lease: LeaseState, within: Range): Range | undefined {
  for (let at = 0; at < lease.runs.length; at += 1) {
    const run = lease.runs[at];
    if (!run || run.end <= within.start || run.start >= within.end) continue;
    const last = Math.min(run.end, within.end);
    let start = Math.max(run.start, within.start);
    while (start < last && !isReadable(state, start)) start += 1;
    let end = start;
    while (end < last && isReadable(state, end)) end += 1;
    const rest = unheldParts(state, run, start, end);
    if (start === end && rest.length === 1) continue;
    lease.runs.splice(at, 1, ...rest);
    if (start < end) return { start, end };
    at -= 1;
  }
  return undefined;
}

function isReadable(state: SwarmState, piece: number): boolean {
  return isWanted(state, piece) && !state.claims.has(piece);
}

/** What stays of a run when `start..end` is taken out of it: its ends that are not held. */
function unheldParts(state: SwarmState, run: Range, start: number, end: number): Range[] {
  const before = trimHeld(state, { start: run.start, end: start });
  const after = trimHeld(state, { start: end, end: run.end });
  return [before, after].filter((range) => range.end > range.start);
}

function trimHeld(state: SwarmState, range: Range): Range {
  let { start, end } = range;
  while (start < end && !isWanted(state, start)) start += 1;
  while (end > start && !isWanted(state, end - 1)) end -= 1;
  return { start, end };
}

/** A read ended. An error ends the lease once the other reads have ended. */
export function endRead(state: SwarmState, readId: number, error: ErrorRecord | undefined): void {
  const { lease } = state;
  const read = lease?.reads.get(readId);
  if (!lease || !read) return;
  lease.reads.delete(readId);
  reopen(state, read.pieces);
  if (error) lease.error ??= error;
}

/** A blob was given up: nothing of it is left to read. A running read of it ends by itself. */
export function forgetRuns(state: SwarmState, pieces: Range): void {
  const { lease } = state;
  if (!lease) return;
  const kept = lease.runs.filter((run) => run.end <= pieces.start || run.start >= pieces.end);
  lease.runs.splice(0, lease.runs.length, ...kept);
}

/** Tells the scheduler when nothing is left to read or the origin failed for good. */
export function endLease(state: SwarmState, effects: SwarmEffect[]): void {
  const { lease } = state;
  if (!lease || lease.reads.size > 0) return;
  if (!lease.error && lease.runs.length > 0) return;
  state.lease = undefined;
  effects.push({ kind: 'leaseDone', epoch: lease.epoch, error: lease.error });
}

/** Holds reads back while they would not help the swarm, and lets them go again. */
export function paceReads(state: SwarmState, nowMs: number, effects: SwarmEffect[]): void {
  const pace = mustHold(state, nowMs) ? 'none' : (firstRead(state, nowMs) ?? 'all');
  if (pace === state.readPace) return;
  state.readPace = pace;
  effects.push({ kind: 'paceReads', pace });
}

/**
 * The read that goes alone: the first, until this host has some pieces to give. Side by side the first pieces of all
 * reads would come together, as many times later as there are reads.
 */
function firstRead({ lease, held, limits }: SwarmState, nowMs: number): number | undefined {
  if (!lease || lease.reads.size < 2 || held.count >= limits.firstReadPieces) return undefined;
  if (nowMs >= lease.sinceMs + limits.firstReadMs) return undefined;
  const [first] = lease.reads.keys();
  return first;
}

/** Whether the swarm does not take what was read. */
function mustHold(state: SwarmState, nowMs: number): boolean {
  if (!state.lease || state.lease.reads.size === 0 || state.unshared.size === 0) return false;
  if (![...state.links.values()].some(({ row }) => !state.holdings.isFull(row))) return false;
  if (nowMs - state.lastProgressMs > state.limits.holdPatienceMs) return false;
  const [piece] = state.unshared;
  const bytes = piece === undefined ? 0 : pieceBytes(state, piece);
  const { originLeadBytes, originReads } = state.limits;
  return state.unshared.size * bytes >= Math.max(originLeadBytes, 2 * originReads * bytes);
}
