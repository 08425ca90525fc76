// Reading and writing the fixed-size fields of a frame. Big-endian. Reading past the end is a protocol violation;
// what is read is a copy, because frames are parsed in place in the buffer that the socket reads into.

import { assert } from '../core/index.ts';
import { FRAME_HEAD_BYTES } from './frame-types.ts';
import { violation } from './messages.ts';

type UintBytes = 1 | 2 | 4 | 6;

export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  uint(bytes: UintBytes): number {
    this.#need(bytes);
    const value = this.#bytes.readUIntBE(this.#at, bytes);
    this.#at += bytes;
    return value;
  }

  bytes(length: number): Uint8Array {
    this.#need(length);
    const copy = new Uint8Array(length);
    this.#bytes.copy(copy, 0, this.#at, this.#at + length);
    this.#at += length;
    return copy;
  }

  text(encoding: 'hex' | 'utf8' | 'latin1', length: number): string {
    this.#need(length);
    const text = this.#bytes.toString(encoding, this.#at, this.#at + length);
    this.#at += length;
    return text;
  }

  /** Everything must have been read. */
  end(): void {
    if (this.remaining !== 0) throw violation(`${this.remaining} bytes too many in a frame`);
  }

  #need(length: number): void {
    if (this.remaining < length) throw violation('a frame is too short');
  }
}

/** Most frames are shorter; others make it grow. */
const FIRST_BYTES = 256;

/** Collects the fields of one frame, behind room for its head. */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #length = FRAME_HEAD_BYTES;

  uint(value: number, bytes: UintBytes): this {
    assert(
      Number.isSafeInteger(value) && value >= 0 && value < 2 ** (8 * bytes),
      `${value} in ${bytes} bytes`,
    );
    const at = this.#take(bytes);
    this.#bytes.writeUIntBE(value, at, bytes);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Bytes of a field whose size is fixed by the protocol. */
  fixed(value: Uint8Array, length: number): this {
    assert(value.length === length, `a field of ${length} bytes has ${value.length}`);
    return this.bytes(value);
  }

  hex(value: string, length: number): this {
    return this.fixed(Buffer.from(value, 'hex'), length);
  }

  /** The whole frame: length, type, fields. */
  frame(type: number): Buffer {
    this.#bytes.writeUInt32BE(this.#length - 4, 0);
    this.#bytes.writeUInt8(type, 4);
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room for a field, and returns where it begins. */
  #take(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    return at;
  }
}
