// A worker thread that computes whole-file digests. It reads each job's file in order as far as the store says that it is
// good, one slice at a time and jobs in turn, so that a cancel is seen within a slice and no job starves another.

import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { assert, type ContentHasher, createContentHasher, MiB } from '../core/index.ts';
import type { DigestReply, DigestRequest } from './digest-messages.ts';

interface Job {
  readonly fd: number;
  readonly sizeBytes: number;
  readonly sha256: ContentHasher;
  readonly gitSha1: ContentHasher | undefined;
  goodBytes: number;
  hashedBytes: number;
}

/** About 1 ms of hashing. */
const SLICE_BYTES = 1 * MiB;

assert(parentPort, 'runs as a worker');
const port = parentPort;
const jobs = new Map<number, Job>();
const slice = Buffer.allocUnsafeSlow(SLICE_BYTES);
let scheduled = false;

port.on('message', (request: DigestRequest) => {
  switch (request.kind) {
    case 'start':
      jobs.set(request.job, {
        fd: request.fd,
        sizeBytes: request.sizeBytes,
        sha256: createContentHasher('sha256', request.sizeBytes),
        gitSha1: request.withGitSha1 ? createContentHasher('git-sha1', request.sizeBytes) : undefined,
        goodBytes: 0,
        hashedBytes: 0,
      });
      break;
    case 'advance': {
      const job = jobs.get(request.job);
      if (job) job.goodBytes = request.bytes;
      break;
    }
    case 'cancel':
      // A job that has just ended has said so already.
      if (jobs.delete(request.job)) reply({ kind: 'cancelled', job: request.job });
      break;
  }
  schedule();
});

function reply(message: DigestReply): void {
  port.postMessage(message);
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    let busy = false;
    for (const [id, job] of jobs) busy = advance(id, job) || busy;
    if (busy) schedule();
  });
}

/** Hashes one slice; whether the job has more to do now. */
function advance(id: number, job: Job): boolean {
  try {
    const length = readSync(
      job.fd,
      slice,
      0,
      Math.min(SLICE_BYTES, job.goodBytes - job.hashedBytes),
      job.hashedBytes,
    );
    if (length === 0 && job.hashedBytes < job.goodBytes) throw new Error('the file is too short');
    const bytes = slice.subarray(0, length);
    job.sha256.update(bytes);
    job.gitSha1?.update(bytes);
    job.hashedBytes += length;
    if (job.hashedBytes < job.sizeBytes) return job.hashedBytes < job.goodBytes;
    end(id, { kind: 'done', job: id, sha256: job.sha256.digest(), gitSha1: job.gitSha1?.digest() });
  } catch (error) {
    end(id, { kind: 'failed', job: id, message: String(error) });
  }
  return false;
}

function end(id: number, message: DigestReply): void {
  jobs.delete(id);
  reply(message);
}
