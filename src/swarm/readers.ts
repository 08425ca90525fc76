// Who on this host reads a file while it comes, and which pieces are asked for first on that account: those in a small
// window from where each reader is, in order. All others stay rarest first, for the sake of the swarm.
//
// The window begins where a reader is, not at the first piece that is missing: who has enough to read is in no hurry.

import type { Range } from '../core/index.ts';
import type { SwarmState } from './state.ts';

/** A reader came, or has moved on. What is past the snapshot's end does not count. */
export function placeReader(state: SwarmState, id: number, { start, end }: Range): void {
  const pieces = { start, end: Math.min(end, state.map.pieceCount) };
  if (pieces.start >= pieces.end) return removeReader(state, id);
  state.readers.set(id, pieces);
  state.allTouched = true;
}

export function removeReader(state: SwarmState, id: number): void {
  state.readers.delete(id);
}

/** What those who are cared for have still to read: the first that came, `maxReaders` at most. */
export function* firstReaders({ readers, limits }: SwarmState): Generator<Range> {
  let count = 0;
  if (limits.readerWindow === 0) return;
  for (const pieces of readers.values()) {
    if (count === limits.maxReaders) return;
    count += 1;
    yield pieces;
  }
}

/** The pieces in the windows of the readers, the nearest first, held ones as well. At most `readerWindow` for each. */
export function* windowPieces(state: SwarmState): Generator<number> {
  const readers = [...firstReaders(state)];
  for (let ahead = 0; ahead < state.limits.readerWindow; ahead += 1) {
    for (const { start, end } of readers) if (start + ahead < end) yield start + ahead;
  }
}
