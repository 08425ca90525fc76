// What makes room, what never goes, and a disk that has none.

import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MiB, type OpenBlob } from '../core/index.ts';
import { hasErrorCode, store as put, type TestBlob, testBlob } from '../testing/store-conformance/index.ts';
import type { DiskBlobStore } from './index.ts';
import { content, on } from './store-harness.ts';
import { FaultFs } from './testing-fault-fs.ts';

function steppingClock() {
  let nowMs = 0;
  return { now: () => (nowMs += 1000), sleep: () => new Promise<void>(() => undefined) };
}

function fourBlobs() {
  const [one, two, three, four] = [1, 2, 3, 4].map((seed) => testBlob(seed, 2 * MiB));
  assert.ok(one && two && three && four);
  return { one, two, three, four };
}

function held(store: DiskBlobStore): string[] {
  return store
    .list()
    .map(({ digest }) => digest)
    .toSorted();
}

const digestsOf = (...blobs: readonly TestBlob[]): string[] =>
  blobs.map(({ spec }) => spec.digest as string).toSorted();

on('the least recently used blobs make room, never open or pinned ones', async (folder) => {
  const { one, two, three, four } = fourBlobs();
  const store = await folder.open({ clock: steppingClock(), capacityBytes: 7 * MiB });
  await store.pin({ name: 'model', digests: [one.gitSha1] });
  for (const blob of [one, two, three]) await put(store, blob);
  const open = await store.open(two.spec);
  const fresh = await store.open(four.spec);
  assert.deepEqual(held(store), digestsOf(one, two, four));
  assert.equal(store.stats().evictedBlobs, 1);
  // Everything open or pinned: the capacity gives way.
  await (await store.open(three.spec)).close();
  await open.close();
  await fresh.close();
});

on('a blob of which a piece was given out is used', async (folder) => {
  const { one, two, three, four } = fourBlobs();
  const store = await folder.open({ clock: steppingClock(), capacityBytes: 8 * MiB });
  for (const blob of [one, two, three]) await put(store, blob);
  const [first, second] = [await store.open(one.spec), await store.open(two.spec)];
  await first.read(0, 0, Buffer.alloc(1));
  await first.close();
  await second.close();
  await (await store.open(three.spec)).close();
  const fresh = await store.open(four.spec);
  assert.deepEqual(held(store), digestsOf(one, three, four));
  await fresh.close();
});

on('a blob whose user can do without it is evicted, too', async (folder) => {
  const { one, two, three, four } = fourBlobs();
  const handles = new Map<string, OpenBlob>();
  const asked: string[] = [];
  const letGo = async (digest: string): Promise<void> => {
    asked.push(digest);
    if (digest === one.spec.digest) await handles.get(digest)?.close();
  };
  const store = await folder.open({ clock: steppingClock(), capacityBytes: 7 * MiB, letGo });
  for (const blob of [two, one, three]) {
    await put(store, blob);
    handles.set(blob.spec.digest, await store.open(blob.spec));
  }
  handles.set(four.spec.digest, await store.open(four.spec));
  assert.deepEqual(held(store), digestsOf(two, three, four));
  assert.deepEqual(
    asked,
    [two, one, three].map(({ spec }) => spec.digest),
  );
  for (const handle of handles.values()) await handle.close();
});

on('a partial blob that nobody has open is evicted, and counts what it holds', async (folder) => {
  const { one, two, three, four } = fourBlobs();
  const store = await folder.open({ clock: steppingClock(), capacityBytes: 8 * MiB });
  for (const blob of [one, two]) {
    const open = await store.open(blob.spec);
    await open.write(0, blob.piece(0), blob.proof(0));
    await open.close();
  }
  for (const blob of [three, four]) await put(store, blob);
  // 1 + 1 + 2 + 2 MiB are held: 2 more are over the high water mark, and 1 less is not under the low one.
  assert.equal(held(store).length, 4);
  await (await store.open(testBlob(5, 2 * MiB).spec)).close();
  assert.deepEqual(held(store), digestsOf(three, four));
  assert.equal((await readdir(join(folder.store, 'partial'))).length, 0);
});

on('pins survive the index; a list of pins that cannot be read stops the store', async (folder) => {
  const store = await folder.open();
  await store.pin({ name: 'a', digests: [content.spec.digest] });
  await store.pin({ name: 'b', digests: [content.gitSha1] });
  assert.equal(await store.unpin('b'), true);
  assert.equal(await store.unpin('b'), false);
  await store.stop();
  await rm(join(folder.store, 'index.sqlite'));
  const again = await folder.open();
  assert.deepEqual(again.pins(), [{ name: 'a', digests: [content.spec.digest] }]);
  await again.stop();
  await writeFile(join(folder.store, 'pins.json'), 'garbage');
  await assert.rejects(folder.open(), hasErrorCode('disk_io'));
});

on('a blob for which the disk has no room is refused before it is begun', async (folder) => {
  const faults = new FaultFs();
  const store = await folder.open({
    fs: { ...faults.fs, ...tooSmallDisk(faults) },
  });
  await assert.rejects(store.open(content.spec), (error: { code?: string; details?: object }) => {
    assert.equal(error.code, 'disk_full');
    assert.deepEqual(error.details, {
      neededBytes: content.spec.sizeBytes,
      availableBytes: 2 * MiB,
      folder: folder.store,
    });
    return true;
  });
  assert.deepEqual(store.list(), []);
  const small = await store.open(testBlob(1, 1.5 * MiB).spec);
  // What the first has yet to write is not there for the second.
  await assert.rejects(store.open(testBlob(2, 1 * MiB).spec), hasErrorCode('disk_full'));
  await small.close();
});

function tooSmallDisk(faults: FaultFs): FaultFs['fs'] {
  const names = [
    'chmod',
    'copyFile',
    'link',
    'mkdir',
    'open',
    'readdir',
    'readFile',
    'rename',
    'unlink',
    'stat',
  ] as const;
  const rest = Object.fromEntries(names.map((name) => [name, faults.fs[name]]));
  return { ...rest, statfs: async () => ({ bavail: 2, bsize: MiB }) } as unknown as FaultFs['fs'];
}
