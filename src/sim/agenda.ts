// What happens when, in simulated time: a binary heap of entries that can be moved and taken back. Entries of one
// instant run in the order in which they were set, so that a run is repeatable.

/** Something that will happen. `place` is where the heap has it, -1 when it has not. */
export interface Entry {
  atMs: number;
  order: number;
  place: number;
  readonly run: () => void;
}

/** What happens after one and the same delay: first in, first out. */
class Lane {
  readonly delayMs: number;
  times: number[] = [];
  orders: number[] = [];
  runs: (() => void)[] = [];
  head = 0;

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  push(atMs: number, order: number, run: () => void): void {
    this.times.push(atMs);
    this.orders.push(order);
    this.runs.push(run);
  }

  shift(): () => void {
    const run = this.runs[this.head] as () => void;
    this.head += 1;
    // Half of it has run: let go of that.
    if (this.head > 1024 && this.head * 2 > this.runs.length) {
      this.times = this.times.slice(this.head);
      this.orders = this.orders.slice(this.head);
      this.runs = this.runs.slice(this.head);
      this.head = 0;
    }
    return run;
  }
}

export class Agenda {
  nowMs: number;
  /** Entries that ran. */
  ran = 0;
  readonly #heap: Entry[] = [];
  readonly #lanes: Lane[] = [];
  #order = 0;

  constructor(startMs = 0) {
    this.nowMs = startMs;
  }

  after(delayMs: number, run: () => void): Entry {
    return this.at(this.nowMs + delayMs, run);
  }

  /** As `after`, for the few delays that most things have; it can't be moved or taken back. Costs no heap. */
  pass(delayMs: number, run: () => void): void {
    let lane = this.#lanes.find((known) => known.delayMs === delayMs);
    if (!lane) this.#lanes.push((lane = new Lane(delayMs)));
    lane.push(this.nowMs + delayMs, (this.#order += 1), run);
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
      const laneMs = lane.times[lane.head];
      if (laneMs === undefined || laneMs > atMs) continue;
      const laneOrder = lane.orders[lane.head] ?? 0;
      if (laneMs === atMs && laneOrder > order) continue;
      atMs = laneMs;
      order = laneOrder;
      earliest = lane;
    }
    if (atMs === Number.POSITIVE_INFINITY || atMs > untilMs) return false;
    this.nowMs = atMs;
    this.ran += 1;
    if (earliest) earliest.shift()();
    else if (first) {
      this.cancel(first);
      first.run();
    }
    return true;
  }

  #insert(entry: Entry): void {
    this.#heap.push(entry);
    this.#rise(entry, this.#heap.length - 1);
  }

  #rise(entry: Entry, from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#heap[above];
      if (!parent || !isBefore(entry, parent)) break;
      this.#put(parent, at);
      at = above;
    }
    this.#put(entry, at);
  }

  #sink(entry: Entry, from: number): void {
    let at = from;
    for (;;) {
      const below = this.#smallerChild(at);
      const child = this.#heap[below];
      if (!child || !isBefore(child, entry)) break;
      this.#put(child, at);
      at = below;
    }
    this.#put(entry, at);
  }

  #smallerChild(at: number): number {
    const left = this.#heap[2 * at + 1];
    const right = this.#heap[2 * at + 2];
    return left && right && isBefore(right, left) ? 2 * at + 2 : 2 * at + 1;
  }

  #put(entry: Entry, at: number): void {
    this.#heap[at] = entry;
    entry.place = at;
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}
