// Reading and writing the fixed-size fields of a frame. Big-endian. Reading past the end is a protocol violation;
// what is read is a copy, because frames are parsed in place in the buffer that the socket reads into.

import { assert } from '../core/index.ts';
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

/** Collects the fields of one frame. */
export class WireWriter {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  uint(value: number, bytes: UintBytes): this {
    assert(
      Number.isSafeInteger(value) && value >= 0 && value < 2 ** (8 * bytes),
      `${value} in ${bytes} bytes`,
    );
    const part = Buffer.allocUnsafe(bytes);
    part.writeUIntBE(value, 0, bytes);
    return this.#add(part);
  }

  bytes(value: Uint8Array): this {
    return this.#add(value);
  }

  /** Bytes of a field whose size is fixed by the protocol. */
  fixed(value: Uint8Array, length: number): this {
    assert(value.length === length, `a field of ${length} bytes has ${value.length}`);
    return this.#add(value);
  }

  hex(value: string, length: number): this {
    return this.fixed(Buffer.from(value, 'hex'), length);
  }

  #add(part: Uint8Array): this {
    this.#parts.push(part);
    this.#length += part.length;
    return this;
  }

  /** The whole frame: length, type, fields. */
  frame(type: number): Buffer {
    const head = Buffer.allocUnsafe(5);
    head.writeUInt32BE(this.#length + 1, 0);
    head.writeUInt8(type, 4);
    return Buffer.concat([head, ...this.#parts], this.#length + 5);
  }
}
