// A worker thread that puts small files out one after the other, by plain system calls: through the pool of libuv each of
// the five that a file takes wakes two threads and a chain of promises, which costs several times the call.

import { closeSync, linkSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { assert } from '../core/index.ts';
import type { PlacedReply, Placement } from './placer-messages.ts';

assert(parentPort, 'runs as a worker');
const port = parentPort;

port.on('message', (batch: readonly Placement[]) => port.postMessage(batch.map(place) satisfies PlacedReply));

function place({ bytes, temporary, target, replace }: Placement): boolean {
  try {
    write(temporary, bytes);
    if (replace) {
      renameSync(temporary, target);
    } else {
      linkSync(temporary, target);
      unlinkSync(temporary);
    }
    return true;
  } catch {
    remove(temporary);
    return false;
  }
}

function write(path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'wx', 0o644);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, done);
  } finally {
    closeSync(file);
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not even made, or cannot be removed: the next delivery tries again.
  }
}
