import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManifest, digestOf, parseRepoPath, type StoredSnapshot } from '../core/index.ts';
import { IndexDatabase, MAX_SNAPSHOTS } from './index-database.ts';

const REF = { scheme: 'hf', endpoint: '', repo: 'o/n', revision: '', path: '', restricted: false };

function snapshotOf(name: string): StoredSnapshot {
  const digest = digestOf('sha256', Buffer.from(name));
  const manifest = createManifest([{ path: parseRepoPath(name), sizeBytes: 1, digest }]);
  return { id: manifest.id, ref: { ...REF, revision: name }, manifest };
}

test('the snapshots that were stored long ago are forgotten with their refs, but for the pinned', () => {
  const index = new IndexDatabase(':memory:');
  const [pinned, old] = [snapshotOf('pinned'), snapshotOf('old')];
  index.putSnapshot(pinned, 'pinned');
  index.putSnapshot(old, 'old');
  for (let at = 0; at < MAX_SNAPSHOTS; at += 1) index.putSnapshot(snapshotOf(`${at}`), `${at}`, [pinned.id]);
  assert.equal(index.snapshots().length, MAX_SNAPSHOTS + 1);
  assert.equal(index.snapshotIdOf('pinned'), pinned.id);
  assert.equal(index.snapshot(old.id), undefined);
  assert.equal(index.snapshotIdOf('old'), undefined);
  assert.equal(index.snapshot(snapshotOf('0').id)?.ref.revision, '0');
  index.close();
});

test('refs to one snapshot are bounded, too', () => {
  const index = new IndexDatabase(':memory:');
  const snapshot = snapshotOf('one');
  for (let at = 0; at <= 8_192; at += 1) index.putSnapshot(snapshot, `${at}`);
  assert.equal(index.snapshotIdOf('0'), undefined);
  assert.equal(index.snapshotIdOf('1'), snapshot.id);
  index.close();
});
