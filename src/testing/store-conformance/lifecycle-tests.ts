// A blob from its opening to its end: handles, digests of the whole, commit, drop, discard.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MiB } from '../../core/index.ts';
import { testBlob } from './content.ts';
import { hasErrorCode, readAll, store, writeAll } from './store-use.ts';
import { type On } from './under-test.ts';

const NEVER = new AbortController().signal;

export function lifeTests(on: On): void {
  on('two handles share one blob; the other lives on when one closes', async ({ store: s }) => {
    const content = testBlob(10, 2 * MiB);
    const [a, b] = await Promise.all([s.open(content.spec), s.open(content.spec)]);
    await a.write(0, content.piece(0), content.proof(0));
    assert.ok(b.held.has(0));
    await a.close();
    await a.close();
    await b.write(1, content.piece(1), content.proof(1));
    assert.ok((await readAll(b, content)).equals(content.bytes));
    await b.close();
    await assert.rejects(b.write(0, content.piece(0), content.proof(0)), { name: 'AssertionError' });
  });

  on('a partial blob keeps its pieces while nobody has it open', async ({ store: s }) => {
    const content = testBlob(11, 3 * MiB);
    const first = await s.open(content.spec);
    await first.write(1, content.piece(1), content.proof(1));
    await first.close();
    assert.equal(s.list()[0]?.heldBytes, 1 * MiB);
    const second = await s.open(content.spec);
    assert.deepEqual([...second.held.values()], [1]);
    assert.deepEqual(second.proof(1), content.proof(1));
    await second.close();
  });

  on('whole digests follow the pieces, whatever their order, and are shared', async ({ store: s }) => {
    const content = testBlob(12, 3.5 * MiB);
    const blob = await s.open(content.spec);
    const early = blob.wholeDigests(NEVER);
    for (const i of [3, 1, 0, 2]) await blob.write(i, content.piece(i), content.proof(i));
    const expected = { sha256: content.sha256, gitSha1: content.gitSha1 };
    assert.deepEqual(await early, expected);
    assert.deepEqual(await blob.wholeDigests(NEVER), expected);
    await blob.commit([]);
    assert.deepEqual(await blob.wholeDigests(NEVER), expected);
    await blob.close();
  });

  on('waiting for whole digests can be given up by one and go on for the other', async ({ store: s }) => {
    const content = testBlob(13, 2 * MiB);
    const blob = await s.open(content.spec);
    const abort = new AbortController();
    const given = assert.rejects(blob.wholeDigests(abort.signal), { name: 'AbortError' });
    const kept = blob.wholeDigests(NEVER);
    abort.abort();
    await given;
    await writeAll(blob, content);
    assert.equal((await kept).sha256, content.sha256);
    await blob.close();
  });

  on('whole digests are of what is held after a drop', async ({ store: s }) => {
    const [wrong, right] = [testBlob(14, 2 * MiB), testBlob(15, 2 * MiB)];
    const blob = await s.open(right.spec);
    await writeAll(blob, wrong);
    assert.equal((await blob.wholeDigests(NEVER)).sha256, wrong.sha256);
    await blob.drop([0, 1]);
    const digests = blob.wholeDigests(NEVER);
    await writeAll(blob, right);
    assert.equal((await digests).sha256, right.sha256);
    await blob.close();
  });

  on('a partial blob in which nothing came in leaves nothing behind', async ({ store: s }) => {
    const { spec } = testBlob(25, 2 * MiB);
    const [one, two] = [await s.open(spec), await s.open(spec)];
    await one.close();
    assert.equal(s.list().length, 1);
    await two.close();
    assert.deepEqual(s.list(), []);
  });

  on('a discarded blob is gone for everybody and can be begun anew', async ({ store: s }) => {
    const content = testBlob(16, 2 * MiB);
    const [a, b] = [await s.open(content.spec), await s.open(content.spec)];
    await writeAll(a, content);
    await a.discard();
    assert.equal(b.held.count, 0);
    assert.deepEqual(s.list(), []);
    await assert.rejects(b.write(0, content.piece(0), content.proof(0)), hasErrorCode('blob_not_found'));
    const fresh = await s.open(content.spec);
    await fresh.write(0, content.piece(0), content.proof(0));
    await a.close();
    await b.close();
    assert.deepEqual([...fresh.held.values()], [0]);
    await fresh.close();
  });

  on('a blob lacking a piece is not committed', async ({ store: s }) => {
    const content = testBlob(17, 2 * MiB);
    const blob = await s.open(content.spec);
    await blob.write(0, content.piece(0), content.proof(0));
    await assert.rejects(blob.commit([]), { name: 'AssertionError' });
    assert.equal(blob.state, 'partial');
    await blob.close();
  });

  on('a complete blob from which a piece is dropped is partial again', async ({ store: s, outputs }) => {
    const content = testBlob(18, 3 * MiB);
    await store(s, content);
    const output = join(outputs, 'file');
    await s.materialize(content.spec.digest, output, { replace: false });
    const blob = await s.open(content.spec);
    await blob.drop([1]);
    assert.equal(blob.state, 'partial');
    assert.deepEqual([...blob.held.values()], [0, 2]);
    assert.equal(await s.find(content.spec.digest), undefined);
    assert.equal(await s.find(content.gitSha1), undefined);
    await blob.write(1, content.piece(1), content.proof(1));
    await blob.commit([content.gitSha1]);
    assert.ok((await readAll(blob, content)).equals(content.bytes));
    await blob.close();
    assert.equal((await s.find(content.gitSha1))?.digest, content.spec.digest);
    assert.ok((await readFile(output)).equals(content.bytes));
  });
}
