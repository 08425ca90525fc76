// A running hash of what happened, to compare two runs by.

import type { Agenda } from './agenda.ts';

export class Trace {
  #hash = 0x811c9dc5;
  readonly #agenda: Agenda;

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  /** Notes that at this moment something happened that these numbers tell. */
  note(what: number, who: number): void {
    this.#mix(Math.round(this.#agenda.nowMs * 1000));
    this.#mix(what);
    this.#mix(who);
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  /** FNV-1a, a word at a time. */
  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ (value | 0), 0x01000193);
    this.#hash ^= this.#hash >>> 15;
  }
}
