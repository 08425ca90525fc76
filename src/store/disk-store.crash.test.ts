// The store after a crash: at every single change of the disk that a blob's life makes, with and without a power loss,
// with and without its index.

import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { MiB } from '../core/index.ts';
import {
  readAll,
  store as storeBlob,
  testBlob,
  testPieceHash,
  writeAll,
} from '../testing/store-conformance/index.ts';
import type { DiskBlobStore } from './index.ts';
import { RECORD_BYTES } from './journal-format.ts';
import { FaultFs } from './testing-fault-fs.ts';
import { type TestFolder, testFolder } from './testing-store.ts';

const content = testBlob(100, 2.5 * MiB);
const other = testBlob(101, 1 * MiB);
const FLUSH_OFTEN = { bytes: 1, ms: 1 };

/** What the callers of the store were told before it stopped. */
interface Told {
  /** Pieces whose write resolved, and that no drop was begun for. */
  readonly written: Set<number>;
  /** Whether a commit resolved, and no drop was begun. */
  committed: boolean;
}

/** A blob's life: written, committed, linked into an output, one piece dropped, refetched, committed again. */
async function live(store: DiskBlobStore, folder: TestFolder, told: Told): Promise<void> {
  const blob = await store.open(content.spec);
  for (const index of [2, 0, 1]) {
    await blob.write(index, content.piece(index), content.proof(index));
    told.written.add(index);
  }
  await blob.commit([content.gitSha1]);
  told.committed = true;
  await store.materialize(content.spec.digest, join(folder.outputs, 'linked'), { replace: true });
  told.committed = false;
  told.written.delete(1);
  await blob.drop([1]);
  await blob.write(1, content.piece(1), content.proof(1));
  told.written.add(1);
  await blob.commit([content.gitSha1]);
  told.committed = true;
  await blob.close();
}

function nothingTold(): Told {
  return { written: new Set(), committed: false };
}

async function runUntil(folder: TestFolder, faults: FaultFs): Promise<Told> {
  const told = nothingTold();
  const store = await folder.open({ fs: faults.fs, flush: FLUSH_OFTEN }).catch((error: unknown) => {
    if (!faults.crashed) throw error;
  });
  if (!store) return told;
  await live(store, folder, told).catch((error: unknown) => {
    if (!faults.crashed) throw error;
  });
  await store.stop();
  return told;
}

async function checkKept(folder: TestFolder, told: Told): Promise<void> {
  const store = await folder.open();
  if (told.committed) assert.equal((await store.find(content.gitSha1))?.digest, content.spec.digest);
  const blob = await store.open(content.spec);
  for (const index of told.written) assert.ok(blob.held.has(index), `piece ${index} was lost`);
  await checkHeldIsTrue(blob);
  await writeAll(blob, content);
  assert.ok((await readAll(blob, content)).equals(content.bytes));
  await blob.commit([content.gitSha1]);
  await blob.close();
  assert.equal((await store.find(content.gitSha1))?.state, 'complete');
  await store.stop();
  await checkTidy(folder);
}

async function checkHeldIsTrue(blob: Awaited<ReturnType<DiskBlobStore['open']>>): Promise<void> {
  for (const index of blob.held.values()) {
    const bytes = Buffer.alloc(content.piece(index).length);
    await blob.read(index, 0, bytes);
    assert.ok(bytes.equals(content.piece(index)), `piece ${index} is wrong`);
    assert.deepEqual(blob.proof(index), content.proof(index));
  }
}

async function checkTidy(folder: TestFolder): Promise<void> {
  const files = await readdir(folder.store, { recursive: true, withFileTypes: true });
  const names = files.filter((file) => file.isFile()).map(({ name }) => name);
  const hex = content.spec.digest.slice('sha256:'.length);
  assert.deepEqual(names.filter((name) => !/^(name$|owner\.lock|index\.sqlite)/u.test(name)).toSorted(), [
    hex,
    `${hex}.pieces`,
  ]);
}

async function changesOfALife(): Promise<number> {
  const folder = await testFolder();
  const faults = new FaultFs();
  await runUntil(folder, faults);
  await folder.close();
  return faults.changes;
}

for (const index of ['kept', 'lost'] as const) {
  test(`a crash at any change of the disk loses nothing that was told (index ${index})`, async () => {
    const changes = await changesOfALife();
    assert.ok(changes > 50, `${changes} changes`);
    for (let crashAt = 0; crashAt <= changes; crashAt += 1) {
      const folder = await testFolder();
      const faults = new FaultFs();
      faults.crashAt = crashAt;
      const told = await runUntil(folder, faults);
      if (index === 'lost') await rm(join(folder.store, 'index.sqlite'));
      try {
        await checkKept(folder, told);
      } catch (error) {
        throw new Error(`after a crash at change ${crashAt} of ${changes}`, { cause: error });
      } finally {
        await folder.close();
      }
    }
  });
}

test('after a power loss at any change of the disk, what is held is true', async () => {
  const changes = await changesOfALife();
  await fc.assert(
    fc.asyncProperty(fc.nat(changes), fc.infiniteStream(fc.boolean()), async (crashAt, dice) => {
      const folder = await testFolder();
      const faults = new FaultFs();
      faults.crashAt = crashAt;
      const told = await runUntil(folder, faults);
      await faults.losePower(() => dice.next().value === true);
      try {
        // A commit is durable; pieces on their way to one may be lost.
        told.written.clear();
        await checkKept(folder, told);
      } finally {
        await folder.close();
      }
    }),
    { numRuns: 60 },
  );
});

test('after a clean stop nothing is hashed again, after a crash only what was not flushed', async () => {
  const folder = await testFolder();
  const faults = new FaultFs();
  let hashed = 0;
  const pieceHash = (bytes: Uint8Array): Uint8Array => {
    hashed += 1;
    return testPieceHash(bytes);
  };
  const store = await folder.open({ fs: faults.fs, pieceHash });
  const blob = await store.open(content.spec);
  await blob.write(0, content.piece(0), content.proof(0));
  await blob.write(1, content.piece(1), content.proof(1));
  await blob.close();
  const again = await store.open(content.spec);
  assert.deepEqual([[...again.held.values()], hashed], [[0, 1], 0]);
  await again.write(2, content.piece(2), content.proof(2));
  faults.crashAt = faults.changes;
  await store.stop();
  const after = await (await folder.open({ pieceHash })).open(content.spec);
  assert.deepEqual([[...after.held.values()], hashed], [[0, 1, 2], 1]);
  await folder.close();
});

test('what stood in a journal behind a damaged record does not come back', async () => {
  const folder = await testFolder();
  const faults = new FaultFs();
  const first = await folder.open();
  const blob = await first.open(content.spec);
  for (const index of [0, 1, 2]) await blob.write(index, content.piece(index), content.proof(index));
  await first.stop();
  const journal = join(folder.store, 'partial', `${content.spec.digest.replace(':', '-')}.journal`);
  // The second record of four (three pieces, one sync).
  const damaged = await readFile(journal);
  damaged.fill(0, damaged.length - 3 * RECORD_BYTES, damaged.length - 2 * RECORD_BYTES);
  await writeFile(journal, damaged);
  const second = await folder.open({ fs: faults.fs });
  const reopened = await second.open(content.spec);
  assert.deepEqual([...reopened.held.values()], [0]);
  await reopened.write(1, content.piece(1), content.proof(1));
  faults.crashAt = faults.changes;
  await second.stop();
  const after = await (await folder.open()).open(content.spec);
  assert.deepEqual([...after.held.values()], [0, 1]);
  await folder.close();
});

test('what was flushed survives a power loss', async () => {
  const folder = await testFolder();
  const faults = new FaultFs();
  const store = await folder.open({ fs: faults.fs });
  const blob = await store.open(content.spec);
  await blob.write(0, content.piece(0), content.proof(0));
  await blob.close();
  const again = await store.open(content.spec);
  await again.write(1, content.piece(1), content.proof(1));
  faults.crashAt = faults.changes;
  await store.stop();
  await faults.losePower(() => true);
  const after = await (await folder.open()).open(content.spec);
  assert.deepEqual([...after.held.values()], [0]);
  await after.close();
  await folder.close();
});

for (const state of ['partial', 'complete'] as const) {
  test(`a piece dropped from a ${state} blob does not come back after a crash or a power loss`, async () => {
    const folder = await testFolder();
    const faults = new FaultFs();
    const store = await folder.open({ fs: faults.fs });
    const blob = await store.open(content.spec);
    await writeAll(blob, content);
    if (state === 'complete') await blob.commit([]);
    await blob.drop([1]);
    faults.crashAt = faults.changes;
    await store.stop();
    await faults.losePower(() => true);
    const after = await (await folder.open()).open(content.spec);
    assert.ok(!after.held.has(1));
    await after.close();
    await folder.close();
  });
}

test('a full disk at any change is an error that leaves a working store', async () => {
  const changes = await changesOfALife();
  for (let failAt = 1; failAt <= changes; failAt += 2) {
    const folder = await testFolder();
    const faults = new FaultFs();
    const refuses = /write|open|mkdir|copyFile|truncate|datasync|sync/u;
    const store = await folder.open({ fs: faults.fs, flush: FLUSH_OFTEN });
    const opened = faults.changes;
    faults.failing = (name) =>
      faults.changes >= opened + failAt && refuses.test(name) ? 'ENOSPC' : undefined;
    const told = nothingTold();
    await live(store, folder, told).catch((error: unknown) => {
      assert.equal((error as { code?: string }).code, 'disk_full', `change ${failAt}: ${String(error)}`);
    });
    // Space again, and the very same store goes on.
    faults.failing = () => undefined;
    const blob = await store.open(content.spec);
    await checkHeldIsTrue(blob);
    await writeAll(blob, content);
    await blob.commit([]);
    await blob.close();
    await storeBlob(store, other);
    assert.ok(await store.find(other.spec.digest));
    await folder.close();
  }
});

test('pieces that a failed flush was for are not held any more', async () => {
  const folder = await testFolder();
  const faults = new FaultFs();
  const store = await folder.open({ fs: faults.fs });
  const blob = await store.open(content.spec);
  await writeAll(blob, content);
  faults.failing = (name, path) => (name === 'datasync' && !path.endsWith('.journal') ? 'EIO' : undefined);
  await assert.rejects(blob.commit([]), { code: 'disk_io' });
  assert.equal(blob.held.count, 0);
  faults.failing = () => undefined;
  await writeAll(blob, content);
  await blob.commit([]);
  assert.equal(blob.state, 'complete');
  await blob.close();
  await folder.close();
});
