/**
 * Bandwidth caps: a bucket that says how long a write has to wait. It paces smoothly, because callers write in
 * slices of a few milliseconds (`sliceBytes`) instead of in large bursts. Pure: time comes in as an argument.
 */

/** How much a bucket may run ahead: below the timer's resolution waiting would only lose bandwidth. */
const BURST_MS = 10;
/** How much time one slice takes at the capped rate. */
const SLICE_MS = 10;
const MIN_SLICE_BYTES = 1024;

export class Pacer {
  readonly bytesPerSecond: number;
  /** Writes under this cap should be no larger. */
  readonly sliceBytes: number;
  #freeAtMs = 0;

  constructor(bytesPerSecond: number) {
    if (!(bytesPerSecond > 0)) throw new RangeError('bytesPerSecond must be positive');
    this.bytesPerSecond = bytesPerSecond;
    this.sliceBytes = Math.max(MIN_SLICE_BYTES, Math.floor((bytesPerSecond * SLICE_MS) / 1000));
  }

  /** Books `bytes` and returns the milliseconds to wait before writing them. First come, first served. */
  reserve(bytes: number, nowMs: number): number {
    const startMs = Math.max(this.#freeAtMs, nowMs - BURST_MS);
    this.#freeAtMs = startMs + (bytes * 1000) / this.bytesPerSecond;
    return Math.max(0, this.#freeAtMs - nowMs - BURST_MS);
  }
}

export interface BandwidthOptions {
  readonly perConnectionBytesPerSecond?: number;
  readonly totalBytesPerSecond?: number;
}

/** The pacers of one origin: one for everything it sends, one for each connection. */
export class Bandwidth {
  readonly #options: BandwidthOptions;
  readonly #total: Pacer | undefined;
  readonly #connections = new WeakMap<object, Pacer>();

  constructor(options: BandwidthOptions = {}) {
    this.#options = options;
    this.#total = options.totalBytesPerSecond ? new Pacer(options.totalBytesPerSecond) : undefined;
  }

  /** The caps that hold for a write on `connection` (any object that stands for it). */
  pacersFor(connection: object): Pacer[] {
    const pacers = this.#total ? [this.#total] : [];
    const rate = this.#options.perConnectionBytesPerSecond;
    if (rate) {
      const own = this.#connections.get(connection) ?? new Pacer(rate);
      this.#connections.set(connection, own);
      pacers.push(own);
    }
    return pacers;
  }
}
