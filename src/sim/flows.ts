// Bytes under way as fluids. Each transfer goes through pipes: a host's uplink, another's downlink, a zone's, the
// origin's. A pipe divides itself evenly, and what one transfer can't use of it (another pipe is tighter) goes to the
// rest, as among TCP streams. Max-min fairness over the whole network would need all transfers at each change; here a
// change touches the transfers of its own pipes only, and others take up what they leave at their own next change.
//
// Invariant: the rates in a pipe never add up to more than it has, but for a tolerance.

import type { Agenda, Entry } from './agenda.ts';

/** Rates are left alone when they would change by less than this part: it saves half of the agenda's work. */
const TOLERANCE = 0.002;

/** A pipe with more transfers than this gives newcomers what is free or due, and is evened out only when overfull. */
const CROWD = 48;
const OVERFULL = 1.03;

export class Pipe {
  bytesPerMs: number;
  usedBytesPerMs = 0;
  readonly transfers: Transfer[] = [];

  constructor(bytesPerMs: number) {
    this.bytesPerMs = bytesPerMs;
  }

  get freeBytesPerMs(): number {
    return Math.max(0, this.bytesPerMs - this.usedBytesPerMs);
  }
}

export interface Transfer {
  readonly pipes: readonly Pipe[];
  readonly entry: Entry;
  leftBytes: number;
  bytesPerMs: number;
  sinceMs: number;
  /** Stands still: its link is cut off. */
  held: boolean;
}

export class Flows {
  readonly #agenda: Agenda;
  /** What each transfer of a pipe could use of it, while that is divided. */
  readonly #caps: number[] = [];

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  start(pipes: readonly Pipe[], sizeBytes: number, done: () => void): Transfer {
    const entry = this.#agenda.at(Number.POSITIVE_INFINITY, () => {
      this.#remove(transfer);
      done();
    });
    const sinceMs = this.#agenda.nowMs;
    const transfer: Transfer = { pipes, entry, leftBytes: sizeBytes, bytesPerMs: 0, sinceMs, held: false };
    for (const pipe of pipes) pipe.transfers.push(transfer);
    this.#admit(transfer);
    return transfer;
  }

  /** Ends a transfer before its time; the bytes that were still to come. */
  stop(transfer: Transfer): number {
    this.#settle(transfer);
    this.#agenda.cancel(transfer.entry);
    this.#remove(transfer);
    return transfer.leftBytes;
  }

  hold(transfer: Transfer, held: boolean): void {
    if (transfer.held === held) return;
    transfer.held = held;
    if (!held) return this.#admit(transfer);
    this.#setRate(transfer, 0);
    for (const pipe of transfer.pipes) this.#level(pipe);
  }

  resize(pipe: Pipe, bytesPerMs: number): void {
    pipe.bytesPerMs = bytesPerMs;
    this.#level(pipe);
  }

  #remove(transfer: Transfer): void {
    for (const pipe of transfer.pipes) {
      pipe.transfers.splice(pipe.transfers.indexOf(transfer), 1);
      pipe.usedBytesPerMs = pipe.transfers.length === 0 ? 0 : pipe.usedBytesPerMs - transfer.bytesPerMs;
    }
    for (const pipe of transfer.pipes) this.#level(pipe);
  }

  /** Finds a rate for a transfer that has none: its pipes make room. */
  #admit(transfer: Transfer): void {
    let rate = Number.POSITIVE_INFINITY;
    for (const pipe of transfer.pipes) rate = Math.min(rate, this.#level(pipe, transfer));
    this.#setRate(transfer, rate);
    for (const pipe of transfer.pipes) if (pipe.freeBytesPerMs > rate * TOLERANCE) this.#level(pipe);
  }

  /** Divides a pipe anew. With a newcomer, that is counted but not yet given anything; the result is its share. */
  #level(pipe: Pipe, newcomer?: Transfer): number {
    const { transfers } = pipe;
    if (transfers.length > CROWD) return this.#levelCrowd(pipe);
    const caps = this.#caps;
    for (let at = 0; at < transfers.length; at += 1) {
      const transfer = transfers[at] as Transfer;
      caps[at] = transfer === newcomer ? Number.POSITIVE_INFINITY : capOf(transfer, pipe);
    }
    const level = waterLevel(caps, transfers.length, pipe.bytesPerMs);
    for (let at = 0; at < transfers.length; at += 1) {
      const transfer = transfers[at] as Transfer;
      if (transfer !== newcomer) this.#setRate(transfer, Math.min(level, caps[at] ?? 0));
    }
    return level;
  }

  #levelCrowd(pipe: Pipe): number {
    const due = pipe.bytesPerMs / pipe.transfers.length;
    if (pipe.usedBytesPerMs + due > pipe.bytesPerMs * OVERFULL) {
      const rates = Array.from(pipe.transfers, ({ bytesPerMs }) => bytesPerMs);
      const level = waterLevel([...rates, due], rates.length + 1, pipe.bytesPerMs);
      for (const transfer of pipe.transfers) if (transfer.bytesPerMs > level) this.#setRate(transfer, level);
    }
    return Math.max(due, pipe.freeBytesPerMs);
  }

  #setRate(transfer: Transfer, bytesPerMs: number): void {
    const before = transfer.bytesPerMs;
    if (Math.abs(bytesPerMs - before) <= before * TOLERANCE && before > 0 && bytesPerMs > 0) return;
    if (bytesPerMs === before) return;
    this.#settle(transfer);
    transfer.bytesPerMs = bytesPerMs;
    for (const pipe of transfer.pipes) pipe.usedBytesPerMs += bytesPerMs - before;
    const lastsMs = bytesPerMs === 0 ? Number.POSITIVE_INFINITY : transfer.leftBytes / bytesPerMs;
    this.#agenda.move(transfer.entry, this.#agenda.nowMs + lastsMs);
  }

  #settle(transfer: Transfer): void {
    const { nowMs } = this.#agenda;
    const sent = (nowMs - transfer.sinceMs) * transfer.bytesPerMs;
    transfer.leftBytes = Math.max(0, transfer.leftBytes - sent);
    transfer.sinceMs = nowMs;
  }
}

/** What a transfer could use of a pipe, for what its other pipes have left. */
function capOf(transfer: Transfer, pipe: Pipe): number {
  if (transfer.held) return 0;
  let cap = Number.POSITIVE_INFINITY;
  for (const other of transfer.pipes) {
    if (other !== pipe) cap = Math.min(cap, transfer.bytesPerMs + other.freeBytesPerMs);
  }
  return cap;
}

/**
 * The level at which those of the first `count` caps that lie below it, and the rest at it, add up to the total. It rises
 * with each that is found below it, until none is.
 */
function waterLevel(caps: readonly number[], count: number, total: number): number {
  let level = total / count;
  for (let above = count; ; ) {
    let left = total;
    let most = 0;
    let rest = 0;
    for (let at = 0; at < count; at += 1) {
      const cap = caps[at] as number;
      if (cap >= level) rest += 1;
      else {
        left -= cap;
        most = Math.max(most, cap);
      }
    }
    if (rest === 0) return left + most;
    // More than before: a cap that is the level itself, but for rounding.
    if (rest >= above) return level;
    above = rest;
    level = left / rest;
  }
}
