// Which piece is asked of whom. A host takes from a few neighbours at a time, its lanes, and stays with each as long as it
// has something to give. While a lane is free, several neighbours are asked, each for other pieces where there are
// some: whoever has a place free begins, and when the last lane is taken the others are told to forget it.
//
// Rarest first among what a neighbour has and nobody sends, rather what nobody was asked for; ties by chance so that
// neighbours do not all ask for the same. Several may be asked for one piece: the first that begins to send it has it,
// the others are told. A piece that was begun and is overdue is asked of one more.

import { mayImport } from './imports.ts';
import { windowPieces } from './readers.ts';
import { addClaim, freeLanes, isWaiting, type LinkState, type SwarmState } from './state.ts';
import type { SwarmEffect } from './types.ts';

/** A piece that a neighbour was asked for counts as if so many more had it. */
const CLAIM_WEIGHT = 3;

/** Of more candidates than this, so many are looked at, from a random place on: the rarest of 64 is rare enough. */
const MAX_CANDIDATES = 64;

/** Fills the request windows of the links that something changed for. */
export function fillWindows(state: SwarmState, nowMs: number, effects: SwarmEffect[]): void {
  const { touched, allTouched } = state;
  if (!allTouched && touched.length === 0) return;
  state.allTouched = false;
  if (!state.held.isFull) {
    let near = 0;
    for (const link of state.active) {
      if (link.stalled) continue;
      // Where there are too many lanes, the latest end with what they send.
      if (!link.isFar && (near += 1) > state.lanes.now) continue;
      if (allTouched || link.isTouched) fillWindow(state, link, nowMs, effects);
    }
    for (const isFar of [false, true]) {
      if (freeLanes(state, isFar) > 0) search(state, isFar, allTouched, nowMs, effects);
    }
  }
  for (const link of touched) link.isTouched = false;
  touched.length = 0;
}

/** A lane is free: some neighbours that do not send are asked, from a random one on. */
function search(
  state: SwarmState,
  isFar: boolean,
  isWide: boolean,
  nowMs: number,
  effects: SwarmEffect[],
): void {
  const links: LinkState[] = [];
  for (const link of isWide ? state.links.values() : state.touched) {
    if (link.isFar === isFar && link.current.length === 0) links.push(link);
  }
  if (links.length === 0) return;
  let asked = isFar ? state.farWaiting : state.waiting - state.farWaiting;
  const from = Math.floor(state.random() * links.length);
  for (let step = 0; step < links.length; step += 1) {
    const link = links[(from + step) % links.length] as LinkState;
    if (isWaiting(link)) fillWindow(state, link, nowMs, effects);
    else if (asked < state.limits.searchWidth && fillWindow(state, link, nowMs, effects)) asked += 1;
  }
}

/** Asks a link for as much as it may be asked for; whether that was anything. */
function fillWindow(state: SwarmState, link: LinkState, nowMs: number, effects: SwarmEffect[]): boolean {
  if (nowMs < link.pausedUntilMs) return false;
  let isAsked = false;
  for (;;) {
    const isSoleOnly = !hasRoom(state, link);
    if (isSoleOnly && !hasRoomForSole(state, link)) break;
    const piece = pickPiece(state, link, nowMs, isSoleOnly);
    if (piece === undefined) break;
    addClaim(state, link, piece);
    effects.push({ kind: 'request', peer: link.peer, piece });
    isAsked = true;
  }
  return isAsked;
}

/** Whether something may be asked of a link on account of a piece that it gained. */
export function mayFollow(state: SwarmState, link: LinkState, piece: number): boolean {
  if (!state.open.has(piece)) return false;
  if (!state.active.includes(link)) return freeLanes(state, link.isFar) > 0;
  return !link.stalled && (hasRoom(state, link) || state.copies[piece] === 1);
}

/** Who does not send yet is asked for one piece. */
function hasRoom({ limits }: SwarmState, link: LinkState): boolean {
  if (link.current.length === 0) return link.asked.length === 0;
  return link.asked.length < limits.wishesPerSender || link.askedBytes < limits.linkWindowBytes;
}

function hasRoomForSole({ limits }: SwarmState, link: LinkState): boolean {
  return link.asked.length < limits.solePiecesPerLink && link.askedBytes < limits.soleWindowBytes;
}

/** What a reader waits for, else the rarest; of what only this one has, if so said. */
function pickPiece(
  state: SwarmState,
  link: LinkState,
  nowMs: number,
  isSoleOnly: boolean,
): number | undefined {
  if (state.open.count === 0) return undefined;
  const awaited = state.readers.size > 0 ? pickAwaited(state, link, nowMs, isSoleOnly) : undefined;
  return awaited ?? pickRarest(state, link, nowMs, isSoleOnly);
}

/**
 * The first open piece in the windows of the readers, however many were asked for it: whoever is first to send has it.
 * Asking each for another piece leaves a reader waiting for the slowest of them.
 */
function pickAwaited(
  state: SwarmState,
  link: LinkState,
  nowMs: number,
  isSoleOnly: boolean,
): number | undefined {
  const { open, copies, holdings } = state;
  for (const piece of windowPieces(state)) {
    if (!open.has(piece) || !holdings.has(link.row, piece)) continue;
    if (isSoleOnly && copies[piece] !== 1) continue;
    if (mayAsk(state, link, piece, nowMs)) return piece;
  }
  return undefined;
}

/** The open piece that fewest neighbours hold and fewest were asked for. */
function pickRarest(
  state: SwarmState,
  link: LinkState,
  nowMs: number,
  isSoleOnly: boolean,
): number | undefined {
  const { open, copies, askedOf, holdings } = state;
  const row = link.row * holdings.stride;
  const wordCount = open.words.length;
  const from = Math.floor(state.random() * wordCount);
  let best: number | undefined;
  let least = Number.POSITIVE_INFINITY;
  let seen = 0;
  for (let step = 0; step < wordCount; step += 1) {
    const at = from + step < wordCount ? from + step : from + step - wordCount;
    let word = (open.words[at] ?? 0) & (holdings.words[row + at] ?? 0);
    for (; word !== 0; word &= word - 1) {
      const piece = at * 32 + 31 - Math.clz32(word & -word);
      if (isSoleOnly && copies[piece] !== 1) continue;
      const asked = askedOf[piece] ?? 0;
      const score = (copies[piece] ?? 0) + CLAIM_WEIGHT * asked;
      seen += 1;
      if (score > least || (score === least && state.random() < 0.5)) continue;
      if (!mayAsk(state, link, piece, nowMs)) continue;
      best = piece;
      least = score;
    }
    if (seen >= MAX_CANDIDATES) break;
  }
  return best;
}

/** Whether an open piece that a neighbour holds may be asked of it. */
function mayAsk(state: SwarmState, link: LinkState, piece: number, nowMs: number): boolean {
  if (nowMs < link.slowUntilMs && (state.copies[piece] ?? 0) > 1) return false;
  if (link.isFar && !mayImport(state, piece, nowMs)) return false;
  if ((state.askedOf[piece] ?? 0) > 0) return mayAskMore(state, link, piece);
  return state.claimedBytes < state.limits.maxClaimedBytes;
}

function mayAskMore(state: SwarmState, link: LinkState, piece: number): boolean {
  const claim = state.claims.get(piece);
  if (!claim || claim.links.includes(link)) return false;
  return claim.links.length < (claim.overdue ? 2 : state.limits.claimsPerPiece);
}
