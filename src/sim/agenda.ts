// What happens when, in simulated time: a heap of entries that can be moved and taken back, and lanes for what can't.
// Entries of one instant run in the order in which they were set, so that a run is repeatable.

/** Something that will happen. `place` is where the heap has it, -1 when it has not. */
export interface Entry {
  atMs: number;
  order: number;
  place: number;
  readonly run: () => void;
}

/** Takes what arrives, or drops it. */
export interface Carrier {
  arrive(run: () => void): void;
}

/** What happens after one and the same delay: first in, first out, in a ring. */
class Lane {
  readonly delayMs: number;
  /** When the first happens, and its turn among what happens then; infinite where there is none. */
  nextMs = Number.POSITIVE_INFINITY;
  nextOrder = 0;
  #times = new Float64Array(1024);
  #orders = new Float64Array(1024);
  #runs: ((() => void) | undefined)[] = [];
  #carriers: (Carrier | undefined)[] = [];
  #head = 0;
  #count = 0;

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  push(atMs: number, order: number, run: () => void, carrier: Carrier | undefined): void {
    if (this.#count === this.#times.length) this.#grow();
    const at = (this.#head + this.#count) & (this.#times.length - 1);
    this.#times[at] = atMs;
    this.#orders[at] = order;
    this.#runs[at] = run;
    this.#carriers[at] = carrier;
    this.#count += 1;
    if (this.#count === 1) this.#showNext();
  }

  runNext(): void {
    const at = this.#head;
    const run = this.#runs[at] as () => void;
    const carrier = this.#carriers[at];
    // What has run is let go of at once, or it would grow old with the ring.
    this.#runs[at] = undefined;
    this.#carriers[at] = undefined;
    this.#head = (at + 1) & (this.#times.length - 1);
    this.#count -= 1;
    this.#showNext();
    if (carrier) carrier.arrive(run);
    else run();
  }

  #showNext(): void {
    this.nextMs = this.#count === 0 ? Number.POSITIVE_INFINITY : (this.#times[this.#head] ?? 0);
    this.nextOrder = this.#orders[this.#head] ?? 0;
  }

  #grow(): void {
    const head = this.#head;
    this.#times = grown(this.#times, head);
    this.#orders = grown(this.#orders, head);
    this.#runs = [...this.#runs.slice(head), ...this.#runs.slice(0, head)];
    this.#carriers = [...this.#carriers.slice(head), ...this.#carriers.slice(0, head)];
    this.#head = 0;
  }
}

/** Twice as long, from the head on. */
function grown(ring: Float64Array<ArrayBuffer>, head: number): Float64Array<ArrayBuffer> {
  const longer = new Float64Array(2 * ring.length);
  longer.set(ring.subarray(head));
  longer.set(ring.subarray(0, head), ring.length - head);
  return longer;
}

/** Children of an entry in the heap: with four it is half as deep, and theirs lie side by side. */
const ARITY = 4;

export class Agenda {
  nowMs: number;
  /** Entries that ran. */
  ran = 0;
  readonly #heap: Entry[] = [];
  /** When each of the heap happens, beside it: most comparisons need no more. */
  readonly #times: number[] = [];
  readonly #lanes: Lane[] = [];
  #order = 0;

  constructor(startMs = 0) {
    this.nowMs = startMs;
  }

  after(delayMs: number, run: () => void): Entry {
    return this.at(this.nowMs + delayMs, run);
  }

  /**
   * As `after`, for the few delays that most things have; it can't be moved or taken back. Costs no heap. A carrier is
   * handed what is to run.
   */
  pass(delayMs: number, run: () => void, carrier?: Carrier): void {
    let lane = this.#lanes.find((known) => known.delayMs === delayMs);
    if (!lane) this.#lanes.push((lane = new Lane(delayMs)));
    lane.push(this.nowMs + delayMs, (this.#order += 1), run, carrier);
  }

  at(atMs: number, run: () => void): Entry {
    const entry: Entry = { atMs, order: (this.#order += 1), place: -1, run };
    this.#insert(entry);
    return entry;
  }

  /** Sets an entry, whether it waits or not, to another time. */
  move(entry: Entry, atMs: number): void {
    entry.order = this.#order += 1;
    const isLater = atMs >= entry.atMs;
    entry.atMs = atMs;
    if (entry.place < 0) this.#insert(entry);
    else if (isLater) this.#sink(entry, entry.place);
    else this.#rise(entry, entry.place);
  }

  /** Takes an entry back; nothing happens where it ran already. */
  cancel(entry: Entry): void {
    const { place } = entry;
    if (place < 0) return;
    entry.place = -1;
    const last = this.#heap.pop();
    this.#times.pop();
    if (!last || last === entry) return;
    this.#rise(last, place);
    this.#sink(last, last.place);
  }

  /** Runs the next entry; false where there is none up to `untilMs`. */
  runNext(untilMs: number): boolean {
    const [first] = this.#heap;
    let atMs = first ? first.atMs : Number.POSITIVE_INFINITY;
    let order = first ? first.order : 0;
    let earliest: Lane | undefined;
    for (const lane of this.#lanes) {
      if (lane.nextMs > atMs || (lane.nextMs === atMs && lane.nextOrder > order)) continue;
      atMs = lane.nextMs;
      order = lane.nextOrder;
      earliest = lane;
    }
    if (atMs === Number.POSITIVE_INFINITY || atMs > untilMs) return false;
    this.nowMs = atMs;
    this.ran += 1;
    if (earliest) earliest.runNext();
    else if (first) {
      this.cancel(first);
      first.run();
    }
    return true;
  }

  #insert(entry: Entry): void {
    this.#heap.push(entry);
    this.#times.push(entry.atMs);
    this.#rise(entry, this.#heap.length - 1);
  }

  #rise(entry: Entry, from: number): void {
    let at = from;
    while (at > 0) {
      const above = Math.floor((at - 1) / ARITY);
      if (!this.#isBefore(entry, above)) break;
      this.#put(this.#heap[above] as Entry, at);
      at = above;
    }
    this.#put(entry, at);
  }

  #sink(entry: Entry, from: number): void {
    let at = from;
    for (;;) {
      const below = this.#firstChild(at);
      if (below < 0 || this.#isBefore(entry, below)) break;
      this.#put(this.#heap[below] as Entry, at);
      at = below;
    }
    this.#put(entry, at);
  }

  /** Where the earliest child of a place is; -1 for none. */
  #firstChild(at: number): number {
    const from = ARITY * at + 1;
    const end = Math.min(from + ARITY, this.#heap.length);
    if (from >= end) return -1;
    let first = from;
    for (let child = from + 1; child < end; child += 1) {
      const childMs = this.#times[child] as number;
      const firstMs = this.#times[first] as number;
      if (childMs > firstMs) continue;
      if (childMs < firstMs || this.#isBefore(this.#heap[child] as Entry, first)) first = child;
    }
    return first;
  }

  #isBefore(entry: Entry, place: number): boolean {
    const otherMs = this.#times[place] as number;
    if (entry.atMs !== otherMs) return entry.atMs < otherMs;
    return entry.order < (this.#heap[place] as Entry).order;
  }

  #put(entry: Entry, at: number): void {
    this.#heap[at] = entry;
    this.#times[at] = entry.atMs;
    entry.place = at;
  }
}
