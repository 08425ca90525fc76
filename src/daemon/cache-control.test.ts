import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createManifest,
  type Digest,
  digestOf,
  hasCode,
  parseRepoPath,
  type StoredSnapshot,
} from '../core/index.ts';
import { FAKE_REF } from '../testing/fake-source/index.ts';
import { MemoryBlobStore } from '../testing/memory-store/index.ts';
import { type TestBlob, testBlob } from '../testing/store-conformance/index.ts';
import { listCache, pinInCache, removeFromCache, unpinInCache } from './cache-control.ts';

const MIB = 1024 * 1024;
const A = testBlob(1, 2.5 * MIB);
const B = testBlob(2, MIB);
const C = testBlob(3, 3 * MIB, 'git-sha1');

const letGo = async (): Promise<void> => undefined;

async function fill(store: MemoryBlobStore, blob: TestBlob, pieces = blob.pieces): Promise<void> {
  const open = await store.open(blob.spec);
  for (let index = 0; index < pieces; index += 1) {
    await open.write(index, blob.piece(index), blob.proof(index));
  }
  if (pieces === blob.pieces) await open.commit([blob.sha256, blob.gitSha1]);
  await open.close();
}

async function remember(store: MemoryBlobStore, key: string, ...blobs: TestBlob[]): Promise<StoredSnapshot> {
  const files = blobs.map(({ spec: { digest, sizeBytes } }, at) => {
    return { path: parseRepoPath(`${at}.bin`), sizeBytes, digest };
  });
  const manifest = createManifest(files);
  const snapshot = { id: manifest.id, ref: { ...FAKE_REF, revision: key, restricted: false }, manifest };
  await store.putSnapshot(snapshot, key);
  return snapshot;
}

/** A and B are of one snapshot, B and C of another; A is there in part. */
async function filledStore() {
  const store = new MemoryBlobStore();
  await fill(store, A, 2);
  await fill(store, B);
  await fill(store, C);
  return {
    store,
    first: await remember(store, 'first', A, B),
    second: await remember(store, 'second', B, C),
  };
}

test('the listing tells what is held of each blob and each snapshot', async () => {
  const { store, first, second } = await filledStore();
  const { blobs, snapshots } = listCache(store, ({ ref }) => `fake://${ref.revision}`);
  assert.deepEqual(
    blobs.map(({ digest, state, heldBytes }) => [digest, state, heldBytes]),
    [
      [A.spec.digest, 'partial', 2 * MIB],
      [B.spec.digest, 'complete', MIB],
      [C.spec.digest, 'complete', 3 * MIB],
    ],
  );
  const rows = snapshots.map(({ snapshotId, url, heldBytes, totalBytes }) => [
    snapshotId,
    url,
    heldBytes,
    totalBytes,
  ]);
  assert.deepEqual(rows, [
    [second.id, 'fake://second', 4 * MIB, 4 * MIB],
    [first.id, 'fake://first', 3 * MIB, 3.5 * MIB],
  ]);
});

test('a snapshot of which nothing is held is not listed', async () => {
  const { store } = await filledStore();
  await remember(store, 'third', testBlob(9, MIB));
  assert.equal(listCache(store, () => '').snapshots.length, 2);
});

test('a blob is removed by any of its digests, after whoever has it open was asked to let go', async () => {
  const { store } = await filledStore();
  const asked: Digest[] = [];
  const removed = await removeFromCache(store, { kind: 'digest', digest: C.sha256 }, async (digests) => {
    asked.push(...digests);
  });
  assert.deepEqual(removed, { blobs: 1, freedBytes: 3 * MIB });
  assert.ok(asked.includes(C.gitSha1) && asked.includes(C.sha256));
  assert.equal(await store.find(C.spec.digest), undefined);
});

test('removing a snapshot leaves what another one has as well', async () => {
  const { store, first } = await filledStore();
  const target = { kind: 'snapshot', snapshotId: first.id.slice(0, 12) } as const;
  assert.deepEqual(await removeFromCache(store, target, letGo), { blobs: 1, freedBytes: 2 * MIB });
  assert.deepEqual(
    store.list().map(({ digest }) => digest),
    [B.spec.digest, C.spec.digest],
  );
});

test('what is in use is not removed, what is unknown is an error', async () => {
  const { store } = await filledStore();
  const open = await store.open(B.spec);
  const inUse = removeFromCache(store, { kind: 'digest', digest: B.spec.digest }, letGo);
  await assert.rejects(inUse, (error) => hasCode(error, 'store_locked'));
  await open.close();
  const digest = digestOf('sha256', Buffer.from('unknown'));
  for (const target of [
    { kind: 'digest', digest },
    { kind: 'snapshot', snapshotId: 'ffffffff' },
  ] as const) {
    await assert.rejects(removeFromCache(store, target, letGo), (error) => hasCode(error, 'blob_not_found'));
  }
});

test('a head that two snapshots have is refused', async () => {
  const { store } = await filledStore();
  const target = { kind: 'snapshot', snapshotId: '' } as const;
  await assert.rejects(removeFromCache(store, target, letGo), (error) => hasCode(error, 'usage_invalid'));
});

test('a snapshot is pinned by the head of its id, listed so with its blobs, and not removed until it is unpinned', async () => {
  const { store, first } = await filledStore();
  const target = { kind: 'snapshot', snapshotId: first.id.slice(0, 12) } as const;
  assert.deepEqual(await pinInCache(store, target), { name: first.id, blobs: 2 });
  const { blobs, snapshots } = listCache(store, () => '');
  assert.deepEqual(
    blobs.map(({ pinned }) => pinned),
    [true, true, false],
  );
  assert.deepEqual(
    snapshots.map(({ pinned }) => pinned),
    [false, true],
  );
  await assert.rejects(removeFromCache(store, target, letGo), (error) => hasCode(error, 'store_locked'));
  assert.deepEqual(await unpinInCache(store, target), { name: first.id, blobs: 2 });
  assert.equal((await removeFromCache(store, target, letGo)).blobs, 1);
});

test('a blob is pinned by any of its digests; what is not there, or not pinned, is an error', async () => {
  const { store } = await filledStore();
  const target = { kind: 'digest', digest: C.sha256 } as const;
  assert.deepEqual(await pinInCache(store, target), { name: C.sha256, blobs: 1 });
  assert.deepEqual(
    listCache(store, () => '').blobs.map(({ pinned }) => pinned),
    [false, false, true],
  );
  const unknown = { kind: 'snapshot', snapshotId: 'ffffffff' } as const;
  await assert.rejects(pinInCache(store, unknown), (error) => hasCode(error, 'blob_not_found'));
  await assert.rejects(unpinInCache(store, unknown), (error) => hasCode(error, 'blob_not_found'));
  await unpinInCache(store, target);
  await assert.rejects(unpinInCache(store, target), (error) => hasCode(error, 'blob_not_found'));
});
