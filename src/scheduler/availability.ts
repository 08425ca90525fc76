// How many live members of a swarm are known to hold each piece. Members with nothing or everything cost O(1) (most are
// one of the two); others O(pieces), never O(members).
//
// Invariant: a piece is unheld exactly when no bitfield that was added and not removed since has it.

import { type Bitfield, type Range, toRanges } from '../core/index.ts';

export class Availability {
  readonly #pieceCount: number;
  #full = 0;
  /** Copies held by members that are neither empty nor full. Made when the first of them comes. */
  #copies: Uint32Array | undefined;
  #covered = 0;

  constructor(pieceCount: number) {
    this.#pieceCount = pieceCount;
  }

  /** Members that hold everything. */
  get fullCount(): number {
    return this.#full;
  }

  /** Pieces that nobody holds. */
  get unheldCount(): number {
    return this.#full > 0 ? 0 : this.#pieceCount - this.#covered;
  }

  add(held: Bitfield): void {
    if (held.isFull) this.#full += 1;
    else if (held.count > 0) this.#count(held, 1);
  }

  remove(held: Bitfield): void {
    if (held.isFull) this.#full -= 1;
    else if (held.count > 0) this.#count(held, -1);
  }

  unheld(): Range[] {
    return this.unheldCount === 0 ? [] : toRanges(this.#unheldPieces());
  }

  #count(held: Bitfield, change: 1 | -1): void {
    this.#copies ??= new Uint32Array(this.#pieceCount);
    const copies = this.#copies;
    for (let piece = 0; piece < this.#pieceCount; piece += 1) {
      if (!held.has(piece)) continue;
      const before = copies[piece] ?? 0;
      copies[piece] = before + change;
      if (before === 0) this.#covered += 1;
      else if (before + change === 0) this.#covered -= 1;
    }
  }

  *#unheldPieces(): Generator<number> {
    for (let piece = 0; piece < this.#pieceCount; piece += 1) {
      if ((this.#copies?.[piece] ?? 0) === 0) yield piece;
    }
  }
}
