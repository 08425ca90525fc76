// Puts many small files out in a thread of its own. Files that are asked for while it works go to it together. Started when
// first needed, let go of by the event loop when idle, stopped with the store.

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { PlacedReply, Placement } from './placer-messages.ts';

interface Waiting {
  readonly placement: Placement;
  readonly resolve: (isPlaced: boolean) => void;
}

/**
 * Starting the thread costs as much as some hundred files do the other way, so it is started by the first file behind as
 * many.
 */
export const FILES_BEFORE_START = 100;

// The running file's own extension: the sources run as .ts, a release as .js.
const WORKER_URL = new URL(`./placer-worker${extname(import.meta.url)}`, import.meta.url);

export class SmallFilePlacer {
  #thread: Worker | undefined;
  #waiting: Waiting[] = [];
  #underWay: readonly Waiting[] = [];
  #scheduled = false;
  #stopped = false;
  #asked = 0;

  /**
   * Whether the file is in place. If not, for whatever reason, nothing was done: the caller takes another way, which says
   * what is wrong.
   */
  place(placement: Placement): Promise<boolean> {
    this.#asked += 1;
    if (this.#stopped || this.#asked <= FILES_BEFORE_START) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push({ placement, resolve });
      this.#schedule();
    });
  }

  /** Whoever asks in this turn of the event loop is in the batch. */
  #schedule(): void {
    if (this.#scheduled || this.#underWay.length > 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#waiting.length === 0 || this.#stopped) return;
    [this.#underWay, this.#waiting] = [this.#waiting, []];
    this.#thread ??= this.#start();
    this.#thread.ref();
    this.#thread.postMessage(this.#underWay.map(({ placement }) => placement));
  }

  #start(): Worker {
    const thread = new Worker(WORKER_URL);
    thread.on('message', (placed: PlacedReply) => this.#settle(placed));
    // 'exit' follows, and is one sign where two would settle the next batch as well.
    thread.on('error', () => undefined);
    thread.on('exit', () => this.#lose());
    return thread;
  }

  #settle(placed: PlacedReply): void {
    const batch = this.#underWay;
    this.#underWay = [];
    this.#thread?.unref();
    for (const [at, { resolve }] of batch.entries()) resolve(placed[at] === true);
    if (this.#waiting.length > 0) this.#schedule();
  }

  /** What was under way may be in place or not: the other way finds out. */
  #lose(): void {
    this.#thread = undefined;
    this.#settle([]);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { resolve } of this.#waiting) resolve(false);
    this.#waiting = [];
    await this.#thread?.terminate();
  }
}
