// Which pieces this host brings into its zone. Bytes between zones are dear, so that each piece should come in once: of
// the neighbours in a zone one is first in turn for a piece, by rendezvous hash, which all of them reckon alike without
// a word; the others wait for it to come by that one, and take its place one after another where it does not.

import type { PeerId } from '../core/index.ts';
import type { SwarmState } from './state.ts';

/** Whether a piece that a neighbour in another zone holds may be asked of it. */
export function mayImport(state: SwarmState, piece: number, nowMs: number): boolean {
  if ((state.copies[piece] ?? 0) > (state.farCopies[piece] ?? 0)) return false;
  const turns = (nowMs - (state.farSinceMs[piece] ?? 0)) / patienceMs(state);
  return turnOf(state, piece) <= turns;
}

/** For one that imports a dozen pieces at a time: at 4 Mbit/s eight crossed each piece 1.14 times, twelve 1.02 times. */
const PATIENCE_PIECES = 12;

function patienceMs({ limits, pieceMs }: SwarmState): number {
  return pieceMs === 0 ? limits.overdueMs : Math.max(limits.importPatienceMs, PATIENCE_PIECES * pieceMs);
}

/** How many of the zone come before this host. */
function turnOf(state: SwarmState, piece: number): number {
  const own = score(hashOf(state.self), piece);
  let before = 0;
  for (const { isFar, idHash } of state.links.values()) if (!isFar && score(idHash, piece) < own) before += 1;
  return before;
}

function score(idHash: number, piece: number): number {
  let hash = Math.imul(idHash ^ Math.imul(piece + 1, 0x9e3779b1), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** FNV-1a over the id's characters. */
export function hashOf(peer: PeerId): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < peer.length; at += 1) hash = Math.imul(hash ^ peer.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
