// A connection between two nodes (hosts, or a host and the scheduler): messages arrive in order, after the link's
// latency. A cut holds them back, as TCP would, until it heals or the link is found dead; a break loses them.

import type { Agenda } from './agenda.ts';
import type { Flows, Transfer } from './flows.ts';

/** Silence after which both sides take a link for dead: transport's `deadAfterMs`, the scheduler's `peerTtlMs`. */
export const DEAD_AFTER_MS = 15_000;

/** An end of links. */
export interface LinkNode {
  /** On which side of a partition it is. */
  isCutOff: boolean;
  linkLost(link: Link): void;
  /** From now on messages over one of its links may come late, twice, or not at all. */
  linkDisturbed(): void;
}

export class Link {
  readonly ends: readonly [LinkNode, LinkNode];
  readonly latencyMs: number;
  readonly transfers = new Set<Transfer>();
  alive = true;
  isCut = false;
  /** Added to the latency by a fault. */
  #extraMs = 0;
  #isDoubling = false;
  #lastArrivalMs = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #agenda: Agenda;
  readonly #flows: Flows;

  constructor(ends: readonly [LinkNode, LinkNode], latencyMs: number, agenda: Agenda, flows: Flows) {
    this.ends = ends;
    this.latencyMs = latencyMs;
    this.#agenda = agenda;
    this.#flows = flows;
    this.cut(ends[0].isCutOff !== ends[1].isCutOff);
  }

  /** Whether what arrives now is taken at once. */
  get isOpen(): boolean {
    return this.alive && !this.isCut && this.isPlain;
  }

  /** Whether messages travel at the link's own latency. */
  get isPlain(): boolean {
    if (this.#isDoubling || this.#extraMs > 0) return false;
    return this.#lastArrivalMs <= this.#agenda.nowMs + this.latencyMs;
  }

  send(run: () => void): void {
    if (this.isPlain) return this.#agenda.pass(this.latencyMs, run, this);
    const { nowMs } = this.#agenda;
    const atMs = Math.max(nowMs + this.latencyMs + this.#extraMs, this.#lastArrivalMs);
    if (this.#extraMs > 0 || atMs > nowMs + this.latencyMs) this.#lastArrivalMs = atMs;
    this.#agenda.at(atMs, () => this.arrive(run));
    if (this.#isDoubling) this.#agenda.at(atMs + this.latencyMs, () => this.arrive(run));
  }

  arrive(run: () => void): void {
    if (!this.alive) return;
    if (this.isCut) this.#waiting.push(run);
    else run();
  }

  delay(extraMs: number): void {
    this.#disturb();
    this.#extraMs = extraMs;
  }

  /** Each message comes twice: what was said meanwhile may come between. */
  double(isDoubling: boolean): void {
    this.#disturb();
    this.#isDoubling = isDoubling;
  }

  /** Follows the two ends' sides of the partition. */
  follow(): void {
    this.cut(this.ends[0].isCutOff !== this.ends[1].isCutOff);
  }

  cut(isCut: boolean): void {
    if (isCut === this.isCut || !this.alive) return;
    this.#disturb();
    this.isCut = isCut;
    for (const transfer of this.transfers) this.#flows.hold(transfer, isCut);
    if (isCut) {
      this.#agenda.after(DEAD_AFTER_MS, () => {
        if (this.isCut) this.break();
      });
    } else for (const run of this.#waiting.splice(0)) if (this.alive) run();
  }

  #disturb(): void {
    for (const end of this.ends) end.linkDisturbed();
  }

  carry(transfer: Transfer): void {
    this.transfers.add(transfer);
    if (this.isCut) this.#flows.hold(transfer, true);
  }

  /** The connection is gone, with all that was on its way; both ends notice a latency later. */
  break(): void {
    if (!this.alive) return;
    this.#disturb();
    this.alive = false;
    this.#waiting.splice(0);
    this.#agenda.after(this.latencyMs, () => {
      for (const end of this.ends) end.linkLost(this);
    });
  }
}
