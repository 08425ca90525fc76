// Somebody on a host who reads the content from its beginning to its end while it comes, as a loader of a model does, at
// the rate of the host's link: at best it is done when the last piece is there.

import type { SimHost } from './host.ts';
import { PIECE_BYTES } from './options.ts';
import type { World } from './world.ts';

const READER_ID = 1;

export class SimReader {
  readonly #world: World;
  readonly #host: SimHost;
  /** What one piece takes it. */
  readonly #pieceMs: number;
  #position = 0;
  /** When it has read what it took. */
  #idleAtMs = 0;
  #firstAtMs: number | undefined;
  #stallMs = 0;

  constructor(world: World, host: SimHost) {
    this.#world = world;
    this.#host = host;
    this.#pieceMs = PIECE_BYTES / host.down.bytesPerMs;
  }

  /** The host's daemon runs, again or for the first time. */
  start(): void {
    const pieces = { start: this.#position, end: this.#host.disk.length };
    this.#host.feed({ kind: 'reader', id: READER_ID, pieces });
  }

  /** Takes the next piece if it is there and the one before is read. */
  look(): void {
    const { agenda } = this.#world;
    if (agenda.nowMs < this.#idleAtMs || !this.#host.disk.has(this.#position)) return;
    if (this.#firstAtMs !== undefined) this.#stallMs += agenda.nowMs - this.#idleAtMs;
    this.#firstAtMs ??= agenda.nowMs;
    this.#position += 1;
    this.#idleAtMs = agenda.nowMs + this.#pieceMs;
    agenda.at(this.#idleAtMs, () => this.look());
    this.start();
  }

  /** When it had its first piece. */
  get firstMs(): number {
    return this.#firstAtMs ?? Number.NaN;
  }

  /** For how long it had nothing to read after that. */
  get stallMs(): number {
    return this.#stallMs;
  }

  /** When it has read all, where nothing is missing any more. */
  get endMs(): number {
    return this.#idleAtMs + (this.#host.disk.length - this.#position) * this.#pieceMs;
  }
}
