// What is particular to the store on a disk: changed files, the lock, the index, room.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { chmod, link, open, readdir, readFile, rm, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import {
  createManifest,
  type Logger,
  MiB,
  type OpenBlob,
  parseRepoPath,
  silentLogger,
} from '../core/index.ts';
import {
  hasErrorCode,
  store as put,
  readAll,
  type TestBlob,
  testBlob,
  writeAll,
} from '../testing/store-conformance/index.ts';
import type { DiskBlobStore } from './index.ts';
import { FaultFs } from './testing-fault-fs.ts';
import { type TestFolder, testFolder } from './testing-store.ts';

const on = (what: string, run: (folder: TestFolder) => Promise<void>): void => {
  test(what, async () => {
    const folder = await testFolder();
    try {
      await run(folder);
    } finally {
      await folder.close();
    }
  });
};

const content = testBlob(200, 3.5 * MiB);
const hex = content.spec.digest.slice('sha256:'.length);

function blobPath(folder: TestFolder): string {
  return join(folder.store, 'blobs', 'sha256', hex.slice(0, 2), hex);
}

/** As a user does who owns a hard link to the blob. */
async function scribble(path: string, position: number): Promise<void> {
  await chmod(path, 0o644);
  const file = await open(path, 'r+');
  await file.write(Buffer.from('scribble'), 0, 8, position);
  await file.close();
}

function warnings(): { logger: Logger; messages: string[] } {
  const messages: string[] = [];
  return { logger: { ...silentLogger, warn: (message) => void messages.push(message) }, messages };
}

on('a complete blob is read-only, in folders of the owner', async (folder) => {
  const store = await folder.open();
  await put(store, content);
  assert.equal((await stat(blobPath(folder))).mode & 0o777, 0o444);
  assert.equal((await stat(folder.store)).mode & 0o777, 0o700);
  const partials = await readdir(join(folder.store, 'partial'));
  assert.deepEqual(partials, []);
});

on('an output that is written to costs the blob only the changed pieces', async (folder) => {
  const { logger, messages } = warnings();
  const store = await folder.open({ logger });
  await put(store, content);
  const output = join(folder.outputs, 'model');
  const method = await store.materialize(content.spec.digest, output, { replace: false });
  if (method !== 'hardlink') return;
  await scribble(output, 1 * MiB + 5);
  assert.equal(await store.find(content.spec.digest), undefined);
  assert.equal(messages.length, 1);
  const blob = await store.open(content.spec);
  assert.deepEqual([...blob.held.values()], [0, 2, 3]);
  await writeAll(blob, content);
  await blob.commit([]);
  assert.ok((await readAll(blob, content)).equals(content.bytes));
  await blob.close();
  // The user keeps what the user wrote.
  assert.ok((await readFile(output)).includes('scribble'));
});

on('a changed file is noticed when it is read, and the good pieces are kept', async (folder) => {
  const store = await folder.open();
  await put(store, content);
  const blob = await store.open(content.spec);
  await scribble(blobPath(folder), 0);
  await assert.rejects(blob.read(2, 0, Buffer.alloc(10)), hasErrorCode('piece_corrupt'));
  assert.equal(await store.find(content.spec.digest), undefined);
  assert.equal(blob.state, 'partial');
  assert.deepEqual([...blob.held.values()], [1, 2, 3]);
  await blob.read(2, 0, Buffer.alloc(10));
  await blob.close();
});

on('a changed file is noticed when it is opened and when it is put somewhere', async (folder) => {
  const store = await folder.open();
  await put(store, content);
  await scribble(blobPath(folder), 0);
  const blob = await store.open(content.spec);
  assert.equal(blob.state, 'partial');
  await writeAll(blob, content);
  await blob.commit([]);
  await blob.close();
  await scribble(blobPath(folder), 3 * MiB);
  const target = join(folder.outputs, 'x');
  await assert.rejects(
    store.materialize(content.spec.digest, target, { replace: true }),
    hasErrorCode('blob_not_found'),
  );
});

on('a file that is cut short or made longer keeps its good pieces', async (folder) => {
  const store = await folder.open();
  for (const sizeBytes of [1.5 * MiB, 5 * MiB]) {
    const blob = await store.open(content.spec);
    await writeAll(blob, content);
    await blob.commit([]);
    await blob.close();
    await chmod(blobPath(folder), 0o644);
    const file = await open(blobPath(folder), 'r+');
    await file.truncate(sizeBytes);
    await file.close();
    assert.equal(await store.find(content.spec.digest), undefined);
    const again = await store.open(content.spec);
    assert.deepEqual([...again.held.values()], sizeBytes < 2 * MiB ? [0] : [0, 1, 2, 3]);
    await again.close();
  }
});

/** As a disk does that loses a bit: neither size nor times tell. */
async function rot(path: string, at: number): Promise<void> {
  const { atime, mtime } = await stat(path);
  await chmod(path, 0o644);
  const file = await open(path, 'r+');
  await file.write(
    Buffer.from([content.bytes[at] ?? 0]).map((byte) => byte ^ 1),
    0,
    1,
    at,
  );
  await file.utimes(atime, mtime);
  await file.close();
}

on(
  'a rotten piece is dropped alone, without reading the others, and mended in outputs, too',
  async (folder) => {
    let hashed = 0;
    const store = await folder.open({
      pieceHash: (bytes) => {
        hashed += 1;
        return createHash('sha256').update(bytes).digest();
      },
    });
    const target = join(folder.outputs, 'x');
    await put(store, content);
    assert.equal(await store.materialize(content.spec.digest, target, { replace: false }), 'hardlink');
    await utimes(target, 1, 1);
    assert.ok(await store.find(content.spec.digest));
    hashed = 0;
    await rot(target, MiB + 5);
    const blob = await store.open(content.spec);
    assert.equal(blob.state, 'complete');
    await blob.drop([1]);
    assert.deepEqual([...blob.held.values()], [0, 2, 3]);
    assert.equal((await stat(target)).mode & 0o777, 0o644);
    await blob.write(1, content.piece(1), content.proof(1));
    await blob.commit([]);
    await blob.close();
    assert.equal(hashed, 0);
    assert.ok((await readFile(target)).equals(content.bytes));
    assert.equal((await stat(target)).mode & 0o777, 0o444);
  },
);

on('an output that is linked to a partial blob outlives it', async (folder) => {
  const store = await folder.open();
  const target = join(folder.outputs, 'x');
  await put(store, content);
  await store.materialize(content.spec.digest, target, { replace: false });
  const blob = await store.open(content.spec);
  await blob.drop([1]);
  await blob.close();
  const other = await store.open({ ...content.spec, pieceLengthBytes: 2 * MiB });
  assert.equal(other.held.count, 0);
  await other.close();
  assert.ok((await readFile(target)).equals(content.bytes));
});

on('a file that was only touched is checked once, and stays', async (folder) => {
  const { logger, messages } = warnings();
  const store = await folder.open({ logger });
  await put(store, content);
  await utimes(blobPath(folder), 1, 1);
  assert.equal((await store.find(content.spec.digest))?.state, 'complete');
  assert.equal((await store.find(content.spec.digest))?.state, 'complete');
  assert.equal(messages.length, 1);
});

on('a file that is replaced by another is checked by its content', async (folder) => {
  const store = await folder.open();
  await put(store, content);
  await unlink(blobPath(folder));
  await writeFile(
    blobPath(folder),
    Buffer.concat([content.bytes.subarray(0, 2 * MiB), Buffer.alloc(1.5 * MiB)]),
  );
  assert.equal(await store.find(content.spec.digest), undefined);
  const blob = await store.open(content.spec);
  assert.deepEqual([...blob.held.values()], [0, 1]);
  await blob.close();
});

on('a file that is deleted from outside is forgotten', async (folder) => {
  const store = await folder.open();
  await put(store, content);
  await unlink(blobPath(folder));
  assert.equal(await store.find(content.spec.digest), undefined);
  assert.deepEqual(store.list(), []);
});

on('who has a blob open whose file is deleted from outside can fill it anew', async (folder) => {
  const store = await folder.open();
  await put(store, content);
  const blob = await store.open(content.spec);
  await unlink(blobPath(folder));
  assert.equal(await store.find(content.spec.digest), undefined);
  assert.deepEqual([blob.state, blob.held.count], ['partial', 0]);
  await assert.rejects(blob.read(0, 0, Buffer.alloc(1)), hasErrorCode('blob_not_found'));
  await writeAll(blob, content);
  await blob.commit([]);
  await blob.close();
  assert.equal((await store.find(content.spec.digest))?.state, 'complete');
});

on('a complete blob with a damaged sidecar is fetched again', async (folder) => {
  const store = await folder.open();
  await put(store, content);
  await writeFile(`${blobPath(folder)}.pieces`, 'no sidecar');
  const blob = await store.open(content.spec);
  assert.equal(blob.state, 'partial');
  assert.equal(blob.held.count, 0);
  await blob.close();
});

on('a second opener gets store_locked, or waits until the first has ended', async (folder) => {
  const first = await folder.open();
  await assert.rejects(folder.open(), (error: { code?: string; message?: string }) => {
    assert.equal(error.code, 'store_locked');
    assert.match(error.message ?? '', new RegExp(`process ${process.pid} `, 'u'));
    return true;
  });
  const messages: string[] = [];
  const logger: Logger = { ...silentLogger, info: (message) => void messages.push(message) };
  const second = folder.open({ waitForLockMs: 10_000, logger });
  const abort = new AbortController();
  const third = folder.open({ waitForLockMs: 10_000, signal: abort.signal });
  abort.abort();
  await assert.rejects(third, { name: 'AbortError' });
  await first.stop();
  await (await second).stop();
  assert.deepEqual(messages, ['waiting for another process that uses the store']);
});

for (const how of ['deleted', 'garbage'] as const) {
  on(`with its index ${how}, a store has its blobs and forgets its snapshots`, async (folder) => {
    const store = await folder.open();
    await put(store, content);
    const partial = await store.open(testBlob(201, 2 * MiB).spec);
    await partial.write(0, testBlob(201, 2 * MiB).piece(0), testBlob(201, 2 * MiB).proof(0));
    await partial.close();
    const manifest = createManifest([
      { path: parseRepoPath('a'), sizeBytes: content.spec.sizeBytes, digest: content.spec.digest },
    ]);
    const ref = { scheme: 'hf', endpoint: '', repo: 'o/n', revision: '1', path: '', restricted: false };
    await store.putSnapshot({ id: manifest.id, ref, manifest }, 'key');
    await store.stop();
    if (how === 'deleted') await rm(join(folder.store, 'index.sqlite'));
    else await writeFile(join(folder.store, 'index.sqlite'), 'garbage'.repeat(1000));
    const again = await folder.open();
    assert.equal((await again.find(content.gitSha1))?.digest, content.spec.digest);
    assert.equal(again.list().length, 2);
    assert.equal(again.snapshot(manifest.id), undefined);
  });
}

on('a store that was stopped has everything when it is opened again', async (folder) => {
  const store = await folder.open();
  await put(store, content);
  const manifest = createManifest([
    { path: parseRepoPath('a'), sizeBytes: content.spec.sizeBytes, digest: content.spec.digest },
  ]);
  const ref = { scheme: 'hf', endpoint: '', repo: 'o/n', revision: '1', path: '', restricted: true };
  await store.putSnapshot({ id: manifest.id, ref, manifest }, 'key');
  await store.stop();
  await store.stop();
  await assert.rejects(store.find(content.spec.digest), hasErrorCode('interrupted'));
  const again = await folder.open();
  assert.deepEqual(again.snapshotByRef('key'), { id: manifest.id, ref, manifest });
  const blob = await again.open(content.spec);
  assert.equal(blob.state, 'complete');
  assert.deepEqual(blob.proof(3), content.proof(3));
  await blob.close();
});

on('stopping ends who waits for digests, and closes what is open', async (folder) => {
  const store = await folder.open();
  const blob = await store.open(content.spec);
  await blob.write(0, content.piece(0), content.proof(0));
  const waiting = assert.rejects(blob.wholeDigests(new AbortController().signal), { name: 'AbortError' });
  await store.stop();
  await waiting;
  await assert.rejects(blob.write(1, content.piece(1), content.proof(1)), hasErrorCode('blob_not_found'));
  await blob.close();
  const again = await (await folder.open()).open(content.spec);
  assert.deepEqual([...again.held.values()], [0]);
  await again.close();
});

/** A clock on which each look at it is a second later. */
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

on('an output on another filesystem is a copy, and a failed one leaves nothing behind', async (folder) => {
  const faults = new FaultFs();
  const store = await folder.open({ fs: faults.fs });
  await put(store, content);
  const target = join(folder.outputs, 'model');
  faults.failing = (name, path) => {
    if (name === 'copyFile' && path.includes('blobs')) return copies++ === 0 ? 'ENOTSUP' : undefined;
    return name === 'link' ? 'EXDEV' : undefined;
  };
  let copies = 0;
  assert.equal(await store.materialize(content.spec.digest, target, { replace: true }), 'copy');
  assert.equal((await stat(target)).mode & 0o777, 0o644);
  for (const [code, expected] of [
    ['ENOSPC', 'disk_full'],
    ['EROFS', 'output_unwritable'],
  ] as const) {
    faults.failing = (name) => (name === 'copyFile' || name === 'link' ? code : undefined);
    const failing = store.materialize(content.spec.digest, `${target}2`, { replace: true });
    await assert.rejects(failing, hasErrorCode(expected));
  }
  faults.failing = () => undefined;
  assert.deepEqual(await readdir(folder.outputs), ['model']);
});

on('the very file that is there already is no conflict', async (folder) => {
  const store = await folder.open();
  await put(store, content);
  const target = join(folder.outputs, 'model');
  await link(blobPath(folder), target);
  await store.materialize(content.spec.digest, target, { replace: false }).catch((error: unknown) => {
    // With reflinks the new file is another one.
    assert.ok(hasErrorCode('output_exists')(error));
  });
  assert.deepEqual(await readdir(folder.outputs), ['model']);
});

on('ten thousand blobs are there within two seconds', async (folder) => {
  const store = await folder.open();
  await put(store, content);
  await store.stop();
  fakeBlobs(folder, 10_000);
  const startedMs = performance.now();
  const again = await folder.open();
  const tookMs = performance.now() - startedMs;
  assert.equal(again.list().length, 10_001);
  assert.ok(tookMs < 2000, `${Math.round(tookMs)} ms`);
});

/** Rows in the index and empty files for them: what start-up looks at. */
function fakeBlobs(folder: TestFolder, count: number): void {
  const database = new DatabaseSync(join(folder.store, 'index.sqlite'));
  database.exec('BEGIN');
  const insert = database.prepare('INSERT INTO blobs VALUES (?, 1, 1048576, 0, ?, ?)');
  for (let at = 0; at < count; at += 1) {
    const name = (at % 256).toString(16).padStart(2, '0') + at.toString(16).padStart(62, '0');
    const shard = join(folder.store, 'blobs', 'sha256', name.slice(0, 2));
    if (at < 256) mkdirSync(shard, { recursive: true });
    writeFileSync(join(shard, name), '');
    writeFileSync(join(shard, `${name}.pieces`), '');
    insert.run(`sha256:${name}`, '0', '0');
  }
  database.exec('COMMIT');
  database.close();
}
