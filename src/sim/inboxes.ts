// What neighbours announced and a host's machine has not heard yet. Each host hears of each piece from all of its
// neighbours, 24 times, and nearly always nothing follows from it at once; but its state has long left the processor's
// caches, and to step the machine each time was half of what a simulation of thousands of hosts cost. So an announcement
// that nothing can follow from waits here, and is handed to the machine with its own time before anything else is and
// before anybody looks at the machine's state: the outcome is the same.
//
// Flat over all hosts: an announcement touches a few words of its receiver.

import { mayActOnHaves, type SwarmState } from '../swarm/index.ts';

/** What lies of a host: how many wait, whether all senders matter, how many do, their hashes; then what waits. */
const WAITING = 0;
const IS_EAGER = 1;
const SENDERS = 2;
const SENDER = 3;
const MAX_SENDERS = 5;
const WAITS = 8;
/** From whom, which piece, when. */
const SIZE = 3;
/** Announcements that wait for a host, at most. */
const ROOM = 40;
const STRIDE = WAITS + ROOM * SIZE;

export class Inboxes {
  readonly #boxes: Float64Array;

  constructor(hosts: number) {
    this.#boxes = new Float64Array(hosts * STRIDE);
    for (let host = 0; host < hosts; host += 1) this.close(host);
  }

  /** A host takes nothing, and forgets what waits. */
  close(host: number): void {
    this.#boxes[host * STRIDE + WAITING] = 0;
    this.#boxes[host * STRIDE + IS_EAGER] = 1;
  }

  /** A host's machine has made a step: what may wait until the next follows from its state. */
  open(host: number, state: SwarmState): void {
    const boxes = this.#boxes;
    const at = host * STRIDE;
    const isEager = state.active.length > MAX_SENDERS || mayActOnHaves(state);
    boxes[at + IS_EAGER] = isEager ? 1 : 0;
    if (isEager) return;
    let senders = 0;
    for (const { stalled, idHash } of state.active) {
      if (stalled) continue;
      boxes[at + SENDER + senders] = idHash;
      senders += 1;
    }
    boxes[at + SENDERS] = senders;
  }

  /** Leaves an announcement of the host whose id has this hash; false where it must be handed over at once. */
  put(host: number, from: number, idHash: number, piece: number, atMs: number): boolean {
    const boxes = this.#boxes;
    const box = host * STRIDE;
    const waiting = boxes[box + WAITING] as number;
    if (boxes[box + IS_EAGER] !== 0 || waiting === ROOM) return false;
    const end = box + SENDER + (boxes[box + SENDERS] as number);
    for (let at = box + SENDER; at < end; at += 1) if (boxes[at] === idHash) return false;
    const at = box + WAITS + waiting * SIZE;
    boxes[at] = from;
    boxes[at + 1] = piece;
    boxes[at + 2] = atMs;
    boxes[box + WAITING] = waiting + 1;
    return true;
  }

  /** Whether something waits that came from this host. */
  hasFrom(host: number, from: number): boolean {
    const first = host * STRIDE + WAITS;
    const end = first + (this.#boxes[host * STRIDE + WAITING] as number) * SIZE;
    for (let at = first; at < end; at += SIZE) if (this.#boxes[at] === from) return true;
    return false;
  }

  /** Hands over what waits, in its order. */
  empty(host: number, take: (from: number, piece: number, atMs: number) => void): void {
    const boxes = this.#boxes;
    const first = host * STRIDE + WAITS;
    const end = first + (boxes[host * STRIDE + WAITING] as number) * SIZE;
    boxes[host * STRIDE + WAITING] = 0;
    for (let at = first; at < end; at += SIZE) {
      take(boxes[at] as number, boxes[at + 1] as number, boxes[at + 2] as number);
    }
  }
}
