import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobStoreConformance } from '../store-conformance/index.ts';
import { MemoryBlobStore } from './index.ts';

blobStoreConformance('the memory store', async () => {
  const outputs = await mkdtemp(join(tmpdir(), 'anax-memory-store-'));
  return {
    store: new MemoryBlobStore(),
    outputs,
    close: () => rm(outputs, { recursive: true }),
  };
});
