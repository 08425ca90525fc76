// Who reads files of one session while they come: tells the swarm machine where each is, and wakes them when something
// happened that they may wait for.

import type { Range } from '../core/index.ts';
import type { SwarmEvent } from '../swarm/index.ts';

export class FileReaders {
  readonly #feed: (event: SwarmEvent) => void;
  readonly #places = new Map<number, Range>();
  readonly #waiting = new Set<() => void>();
  #lastId = 0;

  constructor(feed: (event: SwarmEvent) => void) {
    this.#feed = feed;
  }

  /** One that wants these pieces of the snapshot comes; the id to move and to leave by. */
  enter(pieces: Range): number {
    this.#lastId += 1;
    this.move(this.#lastId, pieces);
    return this.#lastId;
  }

  move(id: number, pieces: Range): void {
    this.#places.set(id, pieces);
    this.#feed({ kind: 'reader', id, pieces });
  }

  /** Idempotent. */
  leave(id: number): void {
    if (this.#places.delete(id)) this.#feed({ kind: 'readerGone', id });
  }

  /** There is a machine now: it hears of those who came before. */
  tellAll(): void {
    for (const [id, pieces] of this.#places) this.#feed({ kind: 'reader', id, pieces });
  }

  /** A piece came or was lost, or a blob was settled. */
  wake(): void {
    for (const goOn of this.#waiting) goOn();
  }

  /** Resolves with the next `wake`; rejects with the signal's reason. */
  async change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiting.add(resolve);
    try {
      await promise;
    } finally {
      this.#waiting.delete(resolve);
      signal.removeEventListener('abort', onAbort);
    }
  }
}
