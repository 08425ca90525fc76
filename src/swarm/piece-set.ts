// A set of piece numbers in 32-bit words, made for "what of this has that": the machine's own, beside the wire's Bitfield.

export class PieceSet {
  readonly length: number;
  /** Piece `p` is bit `p % 32` of word `p >> 5`. */
  readonly words: Uint32Array;
  #count = 0;

  constructor(length: number) {
    this.length = length;
    this.words = new Uint32Array((length + 31) >> 5);
  }

  static from(length: number, pieces: Iterable<number>): PieceSet {
    const set = new PieceSet(length);
    for (const piece of pieces) set.add(piece);
    return set;
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.length;
  }

  has(piece: number): boolean {
    return ((this.words[piece >> 5] ?? 0) & (1 << (piece & 31))) !== 0;
  }

  /** Adds one; whether it was new. Numbers past the end are not taken. */
  add(piece: number): boolean {
    const bit = 1 << (piece & 31);
    const word = this.words[piece >> 5] ?? 0;
    if (piece >= this.length || (word & bit) !== 0) return false;
    this.words[piece >> 5] = word | bit;
    this.#count += 1;
    return true;
  }

  /** Takes one out; whether it was in. */
  delete(piece: number): boolean {
    const bit = 1 << (piece & 31);
    const word = this.words[piece >> 5] ?? 0;
    if ((word & bit) === 0) return false;
    this.words[piece >> 5] = word & ~bit;
    this.#count -= 1;
    return true;
  }

  /** The numbers in the set, ascending. */
  *values(): Generator<number> {
    for (let at = 0; at < this.words.length; at += 1) {
      for (let word = this.words[at] ?? 0; word !== 0; word &= word - 1) {
        yield at * 32 + 31 - Math.clz32(word & -word);
      }
    }
  }
}
