// Whole-file digests of one blob: one job however many wait for it. It follows the held prefix, begins again where a piece
// that it has read is dropped, and is given up when nobody waits any more.

import { type Bitfield, type BlobSpec, type WholeDigests, wantsGitSha1 } from '../core/index.ts';
import type { DigestJob, DigestPool } from './digest-pool.ts';
import type { StoreFile } from './store-fs.ts';

interface Waiter {
  readonly resolve: (digests: WholeDigests) => void;
  readonly reject: (error: unknown) => void;
}

export interface DigestFollowerDeps {
  readonly pool: DigestPool;
  readonly spec: BlobSpec;
  readonly held: Bitfield;
  /** Opens the blob's data file for reading, wherever it is now. */
  readonly openData: () => Promise<StoreFile>;
}

export class DigestFollower {
  readonly #deps: DigestFollowerDeps;
  readonly #waiters = new Set<Waiter>();
  #job: DigestJob | undefined;
  #result: WholeDigests | undefined;
  #prefix = 0;
  /** Raised to make what a job of before says void. */
  #generation = 0;

  constructor(deps: DigestFollowerDeps) {
    this.#deps = deps;
  }

  async wait(signal: AbortSignal): Promise<WholeDigests> {
    signal.throwIfAborted();
    if (this.#result) return this.#result;
    const { promise, resolve, reject } = Promise.withResolvers<WholeDigests>();
    const waiter: Waiter = { resolve, reject };
    const onAbort = (): void => reject(signal.reason);
    this.#waiters.add(waiter);
    signal.addEventListener('abort', onAbort, { once: true });
    if (this.#waiters.size === 1) void this.#start();
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#waiters.delete(waiter);
      if (this.#waiters.size === 0) this.#cancel();
    }
  }

  async #start(): Promise<void> {
    const generation = ++this.#generation;
    try {
      const file = await this.#deps.openData();
      if (generation !== this.#generation) return await file.close();
      this.#job = this.#deps.pool.start(file, this.#deps.spec.sizeBytes, wantsGitSha1(this.#deps.spec));
      this.#prefix = 0;
      this.advanced();
      const result = await this.#job.result;
      if (generation !== this.#generation) return;
      this.#result = result;
      for (const waiter of this.#waiters) waiter.resolve(result);
    } catch (error) {
      if (generation !== this.#generation) return;
      this.stop(error);
    }
  }

  /** To be called when pieces came in. */
  advanced(): void {
    if (!this.#job) return;
    const { held, spec } = this.#deps;
    const before = this.#prefix;
    while (this.#prefix < held.length && held.has(this.#prefix)) this.#prefix += 1;
    if (this.#prefix === before) return;
    this.#job.advance(Math.min(this.#prefix * spec.pieceLengthBytes, spec.sizeBytes));
  }

  /** To be called after pieces were dropped. */
  dropped(indexes: readonly number[]): void {
    this.#result = undefined;
    const read = this.#prefix;
    if (this.#job && indexes.every((index) => index >= read)) return;
    this.replaced();
  }

  /** To be called after the data moved to another file. */
  replaced(): void {
    this.#result = undefined;
    this.#cancel();
    if (this.#waiters.size > 0) void this.#start();
  }

  /** Ends the job and gives everybody who waits this error. */
  stop(error: unknown): void {
    this.#cancel();
    for (const waiter of this.#waiters) waiter.reject(error);
  }

  #cancel(): void {
    this.#generation += 1;
    this.#job?.cancel();
    // Whoever waited for it is served by #start of its generation; here nobody is left to hear of the rejection.
    this.#job?.result.catch(() => undefined);
    this.#job = undefined;
  }
}
