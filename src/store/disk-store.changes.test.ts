// Blobs whose files somebody else changed, damaged or deleted.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, open, readdir, readFile, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MiB } from '../core/index.ts';
import { hasErrorCode, store as put, readAll, writeAll } from '../testing/store-conformance/index.ts';
import { blobPath, content, on, scribble, warnings } from './store-harness.ts';

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
