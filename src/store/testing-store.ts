// For the tests of this folder: stores in temporary folders.

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, type PieceHash, silentLogger } from '../core/index.ts';
import { type BlobStoreOptions, type DiskBlobStore, openBlobStore } from './index.ts';

export const realClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
};

export interface TestFolder {
  readonly root: string;
  readonly store: string;
  readonly outputs: string;
  /** Opens the store in it; all opened ones are stopped by `close`. */
  open(options?: Partial<BlobStoreOptions>): Promise<DiskBlobStore>;
  close(): Promise<void>;
}

export async function testFolder(): Promise<TestFolder> {
  const root = await mkdtemp(join(tmpdir(), 'anax-store-'));
  const folder = join(root, 'store');
  const outputs = join(root, 'out');
  await mkdir(outputs);
  const opened: DiskBlobStore[] = [];
  return {
    root,
    store: folder,
    outputs,
    open: async (options) => {
      const store = await openBlobStore({ ...defaults(folder), ...options });
      opened.push(store);
      return store;
    },
    close: async () => {
      for (const store of opened) await store.stop();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Stands in for BLAKE3, as in the test blobs of the conformance suite. */
const pieceHash: PieceHash = (bytes) => createHash('sha256').update(bytes).digest();

function defaults(folder: string): BlobStoreOptions {
  return { folder, logger: silentLogger, clock: realClock, pieceHash };
}
