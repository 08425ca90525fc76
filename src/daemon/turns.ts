// Turns at things: one owner at a time has one, and may do several things with it at once. Others wait.

import { abortable } from '../core/index.ts';

interface Turn {
  readonly owner: string;
  readonly ended: PromiseWithResolvers<void>;
  users: number;
}

export class Turns<Thing> {
  readonly #turns = new Map<Thing, Turn>();

  /** Throws the signal's reason where it is aborted while others have their turn. */
  async run<Result>(
    thing: Thing,
    owner: string,
    signal: AbortSignal,
    work: () => Promise<Result>,
  ): Promise<Result> {
    let turn = this.#turns.get(thing);
    while (turn && turn.owner !== owner) {
      await abortable(turn.ended.promise, signal);
      turn = this.#turns.get(thing);
    }
    turn ??= { owner, ended: Promise.withResolvers(), users: 0 };
    this.#turns.set(thing, turn);
    turn.users += 1;
    try {
      return await work();
    } finally {
      turn.users -= 1;
      if (turn.users === 0) {
        this.#turns.delete(thing);
        turn.ended.resolve();
      }
    }
  }
}
