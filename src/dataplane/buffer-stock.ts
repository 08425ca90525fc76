// Buffers that are used again: large ones that are left to the garbage collector pile up before it takes them, and new
// ones have to be mapped page by page.

/** So many are kept at most. */
const MAX_SPARE = 4;

export class BufferStock {
  readonly #spare: Buffer[] = [];

  /** One of at least so many bytes; what is in it is anything. */
  take(sizeBytes: number): Buffer {
    // Of twice the size it would be a waste.
    const at = this.#spare.findIndex(({ length }) => length >= sizeBytes && length < 2 * sizeBytes);
    return this.#spare.splice(at, at < 0 ? 0 : 1)[0] ?? Buffer.allocUnsafeSlow(sizeBytes);
  }

  /** Nobody uses it any more. */
  giveBack(buffer: Buffer): void {
    if (this.#spare.length < MAX_SPARE) this.#spare.push(buffer);
    else free(buffer);
  }

  /** Lets go what is not in use. */
  clear(): void {
    for (const buffer of this.#spare.splice(0)) free(buffer);
  }
}

/** At once, not when the garbage collector comes by. */
function free({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
