// A set of piece numbers below a fixed count, one bit each, most significant bit first (as on the wire).

import { assert } from './assert.ts';

export class Bitfield {
  readonly length: number;
  readonly #bytes: Uint8Array;
  #count = 0;

  constructor(length: number) {
    assert(Number.isSafeInteger(length) && length >= 0, 'a bitfield has a length');
    this.length = length;
    this.#bytes = new Uint8Array(Math.ceil(length / 8));
  }

  /** Reads the wire form; `undefined` where its length is wrong or a bit past the end is set. */
  static fromBytes(length: number, bytes: Uint8Array): Bitfield | undefined {
    const field = new Bitfield(length);
    if (bytes.length !== field.#bytes.length) return undefined;
    field.#bytes.set(bytes);
    const last = bytes.at(-1);
    if (last !== undefined && length % 8 !== 0 && (last & (0xff >> (length % 8))) !== 0) return undefined;
    for (const byte of bytes) field.#count += popcount(byte);
    return field;
  }

  static full(length: number): Bitfield {
    const field = new Bitfield(length);
    for (let index = 0; index < length; index += 1) field.add(index);
    return field;
  }

  /** How many are in the set. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.length;
  }

  has(index: number): boolean {
    return ((this.#bytes[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
  }

  /** Adds one; whether it was new. */
  add(index: number): boolean {
    assert(index >= 0 && index < this.length, `piece ${index} of ${this.length}`);
    if (this.has(index)) return false;
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) | (0x80 >> (index & 7));
    this.#count += 1;
    return true;
  }

  /** Takes one out; whether it was in. */
  delete(index: number): boolean {
    if (!this.has(index)) return false;
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) & ~(0x80 >> (index & 7));
    this.#count -= 1;
    return true;
  }

  /** The numbers in the set, ascending. */
  *values(): Generator<number> {
    for (let index = 0; index < this.length; index += 1) if (this.has(index)) yield index;
  }

  /** The numbers not in the set, ascending. */
  *missing(): Generator<number> {
    for (let index = 0; index < this.length; index += 1) if (!this.has(index)) yield index;
  }

  /** Whether `other` has a number that this set lacks. */
  lacksSomeOf(other: Bitfield): boolean {
    return this.#bytes.some((byte, at) => ((other.#bytes[at] ?? 0) & ~byte) !== 0);
  }

  clone(): Bitfield {
    const copy = new Bitfield(this.length);
    copy.#bytes.set(this.#bytes);
    copy.#count = this.#count;
    return copy;
  }

  /** The wire form, a copy. */
  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }
}

function popcount(byte: number): number {
  let value = byte;
  let count = 0;
  while (value !== 0) {
    value &= value - 1;
    count += 1;
  }
  return count;
}
