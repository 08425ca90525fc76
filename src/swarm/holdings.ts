// What the links hold: a row of bits for each, side by side in one array. A neighbour's announcement is the most frequent
// event of all, and so touches one row instead of several objects.

/** Rows at first; twice as many whenever they do not suffice. */
const FIRST_ROWS = 16;

export class Holdings {
  readonly #pieceCount: number;
  /** Words of a row. */
  readonly stride: number;
  /** Piece `p` of a row is bit `p % 32` of its word `p >> 5`. */
  words = new Uint32Array();
  #counts = new Uint32Array();
  readonly #free: number[] = [];

  constructor(pieceCount: number) {
    this.#pieceCount = pieceCount;
    this.stride = (pieceCount + 31) >> 5;
  }

  /** A row for a link, with these pieces. */
  addRow(pieces: Iterable<number>): number {
    if (this.#free.length === 0) this.#grow();
    const row = this.#free.pop() ?? 0;
    for (const piece of pieces) this.add(row, piece);
    return row;
  }

  removeRow(row: number): void {
    this.words.fill(0, row * this.stride, (row + 1) * this.stride);
    this.#counts[row] = 0;
    this.#free.push(row);
  }

  #grow(): void {
    const before = this.#counts.length;
    const rows = Math.max(FIRST_ROWS, 2 * before);
    const { words } = this;
    const counts = this.#counts;
    this.words = new Uint32Array(rows * this.stride);
    this.words.set(words);
    this.#counts = new Uint32Array(rows);
    this.#counts.set(counts);
    for (let row = rows - 1; row >= before; row -= 1) this.#free.push(row);
  }

  has(row: number, piece: number): boolean {
    // Past the end is another link's row.
    if (piece >= this.#pieceCount) return false;
    return ((this.words[row * this.stride + (piece >> 5)] ?? 0) & (1 << (piece & 31))) !== 0;
  }

  /** Adds one; whether it was new. Numbers past the end are not taken. */
  add(row: number, piece: number): boolean {
    if (piece >= this.#pieceCount) return false;
    const at = row * this.stride + (piece >> 5);
    const bit = 1 << (piece & 31);
    const word = this.words[at] ?? 0;
    if ((word & bit) !== 0) return false;
    this.words[at] = word | bit;
    this.#counts[row] = this.count(row) + 1;
    return true;
  }

  /** Takes one out; whether it was in. */
  delete(row: number, piece: number): boolean {
    if (!this.has(row, piece)) return false;
    const at = row * this.stride + (piece >> 5);
    this.words[at] = (this.words[at] ?? 0) & ~(1 << (piece & 31));
    this.#counts[row] = this.count(row) - 1;
    return true;
  }

  count(row: number): number {
    return this.#counts[row] ?? 0;
  }

  isFull(row: number): boolean {
    return this.count(row) === this.#pieceCount;
  }

  /** The numbers in a row, ascending. */
  *values(row: number): Generator<number> {
    for (let at = 0; at < this.stride; at += 1) {
      for (let word = this.words[row * this.stride + at] ?? 0; word !== 0; word &= word - 1) {
        yield at * 32 + 31 - Math.clz32(word & -word);
      }
    }
  }
}
