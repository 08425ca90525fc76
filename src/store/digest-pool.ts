// A few worker threads that compute whole-file digests beside the download. Started when first needed, let go of by the
// event loop when idle (so that the process can end), stopped with the store.

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { AnaxError, type Digest, type WholeDigests } from '../core/index.ts';
import type { DigestReply, DigestRequest } from './digest-messages.ts';
import type { StoreFile } from './store-fs.ts';

/** One file being hashed. */
export interface DigestJob {
  /** Rejects with `disk_io`, or with an AbortError after `cancel`. */
  readonly result: Promise<WholeDigests>;
  /** The file is good up to here; never less than before. */
  advance(bytes: number): void;
  cancel(): void;
}

interface RunningJob {
  readonly file: StoreFile;
  readonly resolve: (digests: WholeDigests) => void;
  readonly reject: (error: unknown) => void;
}

interface PoolWorker {
  readonly thread: Worker;
  readonly jobs: Map<number, RunningJob>;
}

// The running file's own extension: the sources run as .ts, a release as .js.
const WORKER_URL = new URL(`./digest-worker${extname(import.meta.url)}`, import.meta.url);

export class DigestPool {
  readonly #size: number;
  readonly #workers: PoolWorker[] = [];
  #nextJob = 1;

  constructor(size: number) {
    this.#size = size;
  }

  /** Hashes a file that the job from now on owns, and closes. */
  start(file: StoreFile, sizeBytes: number, withGitSha1: boolean): DigestJob {
    const worker = this.#pick();
    const job = this.#nextJob++;
    const { promise, resolve, reject } = Promise.withResolvers<WholeDigests>();
    worker.jobs.set(job, { file, resolve, reject });
    worker.thread.ref();
    const send = (request: DigestRequest): void => {
      if (worker.jobs.has(job)) worker.thread.postMessage(request);
    };
    send({ kind: 'start', job, fd: file.fd, sizeBytes, withGitSha1 });
    return {
      result: promise,
      advance: (bytes) => send({ kind: 'advance', job, bytes }),
      cancel: () => send({ kind: 'cancel', job }),
    };
  }

  /** The worker with the fewest jobs; a new one rather than a busy one. */
  #pick(): PoolWorker {
    const best = this.#workers.toSorted((a, b) => a.jobs.size - b.jobs.size)[0];
    if (best && (best.jobs.size === 0 || this.#workers.length >= this.#size)) return best;
    const worker: PoolWorker = { thread: new Worker(WORKER_URL), jobs: new Map() };
    worker.thread.on('message', (reply: DigestReply) => void settle(worker, reply));
    worker.thread.on('error', (error) => this.#lose(worker, error));
    worker.thread.on('exit', () => this.#lose(worker, abortError()));
    this.#workers.push(worker);
    return worker;
  }

  #lose(worker: PoolWorker, error: unknown): void {
    const at = this.#workers.indexOf(worker);
    if (at !== -1) this.#workers.splice(at, 1);
    for (const { file, reject } of worker.jobs.values()) {
      void file.close();
      reject(error);
    }
    worker.jobs.clear();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map(({ thread }) => thread.terminate()));
  }
}

async function settle(worker: PoolWorker, reply: DigestReply): Promise<void> {
  const job = worker.jobs.get(reply.job);
  if (!job) return;
  worker.jobs.delete(reply.job);
  if (worker.jobs.size === 0) worker.thread.unref();
  await job.file.close().catch(() => undefined);
  switch (reply.kind) {
    case 'done':
      return job.resolve({
        sha256: reply.sha256 as Digest,
        ...(reply.gitSha1 !== undefined && { gitSha1: reply.gitSha1 as Digest }),
      });
    case 'failed':
      return job.reject(new AnaxError('disk_io', reply.message));
    case 'cancelled':
      return job.reject(abortError());
  }
}

function abortError(): DOMException {
  return new DOMException('hashing was given up', 'AbortError');
}
