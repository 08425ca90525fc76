// A limit on bytes per second over all threads of a process that share its state: GCRA, whose whole state is one number,
// the time at which the line of bytes that were let through (or wait) is worked off. Bytes are put in line with one atomic
// step, first come, first served. Time comes in as an argument: nanoseconds of one clock for all threads.
//
// A change of the rate dissolves the line: whoever waits finds the generation changed and gets in line anew, so that it is
// felt by those who wait already.

import { KiB } from '../core/index.ts';

/** What may pass at once after an idle time: 100 ms at the rate, or a step where that is more. */
const BURST_MS = 100;
const MAX_BURST_BYTES = 4 * 1024 * KiB;
/** A sender's step takes about this long at the rate, so that links alternate. */
const STEP_MS = 50;
/**
 * Each step wakes both ends, so at low rates a step is as large as this, unless it takes too long. (24 hosts of 4 Mbit/s:
 * against 25,000 bytes a third of the file reads, and 40 % fewer socket reads and waits, in the same time.)
 */
const WORTHWHILE_STEP_BYTES = 64 * KiB;
const LONG_STEP_MS = 250;
const MIN_STEP_BYTES = 16 * KiB;
/** Waits are no longer than this, so that a change of the rate is felt. */
const MAX_WAIT_MS = 250;

const SECOND_NS = 1e9;

// Cells of the shared state.
const RATE = 0;
const GENERATION = 1;
const LINE_END_NS = 2;
const CELLS = 3;

/** A clock may have begun a moment ago: its zero is no time at which nothing was in line. */
const LONG_AGO_NS = -(2n ** 62n);

/** A place in line. */
export interface Turn {
  readonly generation: bigint;
  readonly atNs: bigint;
}

export class ByteRate {
  /** For another `ByteRate` in another thread. */
  readonly state: SharedArrayBuffer;
  readonly #cells: BigInt64Array;

  /** Shares the state of another, or is new, without a limit. */
  constructor(state?: SharedArrayBuffer) {
    this.state = state ?? new SharedArrayBuffer(CELLS * BigInt64Array.BYTES_PER_ELEMENT);
    this.#cells = new BigInt64Array(this.state);
    if (!state) Atomics.store(this.#cells, LINE_END_NS, LONG_AGO_NS);
  }

  /** `undefined` for no limit. */
  get bytesPerSecond(): number | undefined {
    return Number(Atomics.load(this.#cells, RATE)) || undefined;
  }

  /** Positive; `undefined` for no limit. */
  set(bytesPerSecond: number | undefined, nowNs: bigint): void {
    Atomics.store(this.#cells, RATE, BigInt(Math.ceil(bytesPerSecond ?? 0)));
    if (Atomics.load(this.#cells, LINE_END_NS) > nowNs) Atomics.store(this.#cells, LINE_END_NS, nowNs);
    Atomics.add(this.#cells, GENERATION, 1n);
  }

  /** Puts bytes in line. */
  book(bytes: number, nowNs: bigint): Turn {
    const generation = Atomics.load(this.#cells, GENERATION);
    const rate = this.bytesPerSecond;
    if (rate === undefined) return { generation, atNs: nowNs };
    const takesNs = BigInt(Math.ceil((bytes * SECOND_NS) / rate));
    const idleEndNs = nowNs - burstNs(rate);
    for (;;) {
      const endNs = Atomics.load(this.#cells, LINE_END_NS);
      const atNs = (endNs > idleEndNs ? endNs : idleEndNs) + takesNs;
      if (Atomics.compareExchange(this.#cells, LINE_END_NS, endNs, atNs) === endNs)
        return { generation, atNs };
    }
  }

  /** Whether the rate was changed since: then the turn is void, and its bytes have to be booked again. */
  isVoid({ generation }: Turn): boolean {
    return Atomics.load(this.#cells, GENERATION) !== generation;
  }

  /** How long a turn is away; ask again after that. 0: go. Whole milliseconds, as timers have them; at most 250. */
  waitMs({ atNs }: Turn, nowNs: bigint): number {
    const missingNs = Number(atNs - nowNs);
    return missingNs <= 0 ? 0 : Math.min(MAX_WAIT_MS, Math.ceil(missingNs / 1e6));
  }

  /** How much to send in one step, at most `maxBytes`. */
  stepBytes(maxBytes: number): number {
    const rate = this.bytesPerSecond;
    if (rate === undefined) return maxBytes;
    return Math.min(maxBytes, stepBytesAt(rate));
  }
}

function stepBytesAt(rate: number): number {
  const worthwhile = Math.min(WORTHWHILE_STEP_BYTES, (rate * LONG_STEP_MS) / 1000);
  return Math.floor(Math.max(MIN_STEP_BYTES, worthwhile, (rate * STEP_MS) / 1000));
}

function burstNs(rate: number): bigint {
  const bytes = Math.min(MAX_BURST_BYTES, Math.max(stepBytesAt(rate), (rate * BURST_MS) / 1000));
  return BigInt(Math.floor((bytes * SECOND_NS) / rate));
}
