// Files inside a pack.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BlobStore, digestOf, type StoredPart } from '../../core/index.ts';
import { testBlob } from './content.ts';
import { hasErrorCode, writeAll } from './store-use.ts';
import { type On } from './under-test.ts';

export function packTests(on: On): void {
  const content = testBlob(40, 5_000);
  const parts: StoredPart[] = [
    [0, 2_000],
    [2_000, 3_000],
  ].map(([offsetBytes = 0, sizeBytes = 0]) => {
    const bytes = content.bytes.subarray(offsetBytes, offsetBytes + sizeBytes);
    return { digests: [digestOf('git-sha1', bytes), digestOf('sha256', bytes)], offsetBytes, sizeBytes };
  });
  const [, second] = parts;
  assert.ok(second);
  const bytes = content.bytes.subarray(2_000);
  const storePack = async (s: BlobStore): Promise<void> => {
    const blob = await s.open(content.spec);
    await writeAll(blob, content);
    await blob.commit([], parts);
    await blob.close();
  };

  on('a file in a pack is found, read and put out by each of its digests', async ({ store: s, outputs }) => {
    for (const digest of second.digests) assert.equal(await s.readSmall(digest), undefined);
    await storePack(s);
    assert.deepEqual(s.list()[0]?.parts, parts);
    for (const digest of second.digests) {
      const found = await s.find(digest);
      assert.equal(found?.pack, content.spec.digest);
      assert.equal(found?.sizeBytes, 3_000);
      assert.deepEqual([found?.digest, ...found.aliases], second.digests);
      assert.deepEqual(await s.readSmall(digest), Buffer.from(bytes));
      assert.equal(await s.materialize(digest, join(outputs, 'file'), { replace: true }), 'copy');
      assert.deepEqual(await readFile(join(outputs, 'file')), Buffer.from(bytes));
    }
    assert.deepEqual(await s.readSmall(content.spec.digest), Buffer.from(content.bytes), 'a blob of its own');
  });

  on('a file in a pack goes with the pack', async ({ store: s, outputs }) => {
    const [digest] = second.digests;
    await storePack(s);
    const blob = await s.open(content.spec);
    await blob.drop([0]);
    await blob.close();
    assert.equal(await s.find(digest), undefined);
    await storePack(s);
    assert.ok(await s.find(digest));
    await s.remove(content.spec.digest);
    assert.equal(await s.find(digest), undefined);
    const put = s.materialize(digest, join(outputs, 'file'), { replace: false });
    await assert.rejects(put, hasErrorCode('blob_not_found'));
  });
}
