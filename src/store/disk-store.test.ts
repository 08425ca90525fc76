// What is particular to the store on a disk: the lock, the index, its end, and outputs.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { link, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createManifest, type Logger, MiB, parseRepoPath, silentLogger } from '../core/index.ts';
import { hasErrorCode, store as put, testBlob } from '../testing/store-conformance/index.ts';
import { blobPath, content, on } from './store-harness.ts';
import { FaultFs } from './testing-fault-fs.ts';
import type { TestFolder } from './testing-store.ts';

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
