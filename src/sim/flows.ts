// Bytes under way as fluids. A pipe (a host's uplink, a zone's, the origin's) is shared evenly by its transfers; a
// transfer goes at the least of its shares. A change of a pipe touches the transfers of that pipe only.
//
// Deliberately not max-min fair: what a transfer can't use of one pipe because another is tighter stays unused. Real TCP
// does better, so the ratios of the simulator are on the high side.

import type { Agenda, Entry } from './agenda.ts';

/** The share of a crowded pipe is applied anew only when it changed by more than this: its transfers are many. */
const CROWDED_TOLERANCE = 0.03;
const CROWD = 32;

export class Pipe {
  bytesPerMs: number;
  readonly transfers = new Set<Transfer>();
  /** The share that its transfers were last told. */
  appliedShare = Number.POSITIVE_INFINITY;

  constructor(bytesPerMs: number) {
    this.bytesPerMs = bytesPerMs;
  }

  get share(): number {
    return this.bytesPerMs / Math.max(1, this.transfers.size);
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
    for (const pipe of pipes) pipe.transfers.add(transfer);
    for (const pipe of pipes) this.#refresh(pipe);
    this.#pace(transfer);
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
    transfer.held = held;
    this.#pace(transfer);
  }

  resize(pipe: Pipe, bytesPerMs: number): void {
    pipe.bytesPerMs = bytesPerMs;
    this.#refresh(pipe);
  }

  #remove(transfer: Transfer): void {
    for (const pipe of transfer.pipes) pipe.transfers.delete(transfer);
    for (const pipe of transfer.pipes) this.#refresh(pipe);
  }

  #refresh(pipe: Pipe): void {
    const { share } = pipe;
    const change = Math.abs(share - pipe.appliedShare);
    if (pipe.transfers.size > CROWD && change < CROWDED_TOLERANCE * pipe.appliedShare) return;
    pipe.appliedShare = share;
    for (const transfer of pipe.transfers) this.#pace(transfer);
  }

  #pace(transfer: Transfer): void {
    let rate = Number.POSITIVE_INFINITY;
    for (const pipe of transfer.pipes) rate = Math.min(rate, pipe.appliedShare);
    if (transfer.held) rate = 0;
    if (rate === transfer.bytesPerMs) return;
    this.#settle(transfer);
    transfer.bytesPerMs = rate;
    const lastsMs = rate === 0 ? Number.POSITIVE_INFINITY : transfer.leftBytes / rate;
    this.#agenda.move(transfer.entry, this.#agenda.nowMs + lastsMs);
  }

  #settle(transfer: Transfer): void {
    const { nowMs } = this.#agenda;
    const sent = (nowMs - transfer.sinceMs) * transfer.bytesPerMs;
    transfer.leftBytes = Math.max(0, transfer.leftBytes - sent);
    transfer.sinceMs = nowMs;
  }
}
