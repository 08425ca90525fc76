// What the upload queue wants to know of a swarm: how rare a wished piece is, and whether others are to be sent first.

import type { PeerId } from '../core/index.ts';
import type { SwarmState } from './state.ts';

/**
 * How rare a piece is for a neighbour that asks for it: how many neighbours hold it. What nobody in this zone holds yet
 * goes to another zone last: from here it would have to be sent a second time.
 */
export function rarityFor(state: SwarmState, peer: PeerId, piece: number): number {
  const copies = state.copies[piece] ?? 0;
  const isLast = copies === state.farCopies[piece] && state.links.get(peer)?.isFar === true;
  return isLast ? state.links.size : copies;
}

/**
 * Whether this host has, or is reading, pieces that no neighbour holds and that were sent to nobody. They go first: all
 * others wait for them, and what was sent once comes to a child from others as well. Not so where the child is in
 * another zone, which needs a copy of its own.
 */
export function hasUnsent(state: SwarmState, peer: PeerId, wasSent: (piece: number) => boolean): boolean {
  if (state.links.get(peer)?.isFar === true) return false;
  if (state.lease && state.lease.reads.size > 0) return true;
  for (const piece of state.sole.values()) if (!wasSent(piece)) return true;
  return false;
}
