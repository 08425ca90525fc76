// Bytes of unknown number, collected with room that grows as they come: whoever announces much and sends little
// gets little memory.

const FIRST_BYTES = 4096;

export class GrowingBuffer {
  #bytes = Buffer.allocUnsafeSlow(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(source: Uint8Array, start: number, end: number): void {
    const needed = this.#length + (end - start);
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#bytes.set(source.subarray(start, end), this.#length);
    this.#length = needed;
  }

  /** What was collected: a view, good until the next `append`. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, needed, this.#bytes.length * 2));
    larger.set(this.view());
    this.#bytes = larger;
  }
}
