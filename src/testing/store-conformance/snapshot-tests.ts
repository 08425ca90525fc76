// Snapshots that the store remembers.

import assert from 'node:assert/strict';
import { createManifest, type PinnedRef, parseRepoPath } from '../../core/index.ts';
import { testBlob } from './content.ts';
import { type On } from './under-test.ts';

export function snapshotTests(on: On): void {
  on('snapshots are found by id and by the last key', async ({ store: s }) => {
    const snapshots = [1, 2].map((seed) => {
      const { spec } = testBlob(seed, 10);
      const manifest = createManifest([{ path: parseRepoPath('a/b'), sizeBytes: 10, digest: spec.digest }]);
      return { id: manifest.id, ref: pinnedRef(`${seed}`.repeat(40)), manifest };
    });
    const [one, two] = snapshots;
    assert.ok(one && two);
    await s.putSnapshot(one, 'key one');
    await s.putSnapshot(two, 'key two');
    assert.deepEqual(s.snapshot(one.id), one);
    assert.deepEqual(s.snapshotByRef('key two'), two);
    assert.deepEqual(s.snapshots(), [two, one]);
    await s.putSnapshot(one, 'key two');
    assert.deepEqual(s.snapshotByRef('key two'), one);
    assert.deepEqual(s.snapshots(), [one, two]);
    assert.equal(s.snapshotByRef('key three'), undefined);
  });
}

function pinnedRef(revision: string): PinnedRef {
  const endpoint = 'https://hub.example';
  return { scheme: 'hf', endpoint, repo: 'o/n', revision, path: '', restricted: false };
}
