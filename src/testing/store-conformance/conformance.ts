// The conformance suite of the BlobStore port: run on every implementation. What is particular to disks (crashes,
// changed files, eviction) is tested beside the disk store.

import { describe, test } from 'node:test';
import { findTests } from './finding-tests.ts';
import { lifeTests } from './lifecycle-tests.ts';
import { materializeTests } from './materialize-tests.ts';
import { packTests } from './pack-tests.ts';
import { pieceTests } from './piece-tests.ts';
import { snapshotTests } from './snapshot-tests.ts';
import type { StoreUnderTest } from './under-test.ts';

export function blobStoreConformance(name: string, make: () => Promise<StoreUnderTest>): void {
  const on = (what: string, run: (under: StoreUnderTest) => Promise<void>): void => {
    test(what, async () => {
      const under = await make();
      try {
        await run(under);
      } finally {
        await under.close();
      }
    });
  };
  describe(`${name} is a blob store:`, () => {
    pieceTests(on);
    lifeTests(on);
    findTests(on);
    packTests(on);
    materializeTests(on);
    snapshotTests(on);
  });
}
