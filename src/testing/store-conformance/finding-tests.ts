// Complete blobs: found by their digests, and removed.

import assert from 'node:assert/strict';
import { MiB } from '../../core/index.ts';
import { testBlob } from './content.ts';
import { hasErrorCode, readAll, store, writeAll } from './store-use.ts';
import { type On } from './under-test.ts';

export function findTests(on: On): void {
  on('a complete blob is found by its digest and its aliases, a partial one is not', async ({ store: s }) => {
    const content = testBlob(20, 1.5 * MiB, 'git-sha1');
    const blob = await s.open(content.spec);
    await writeAll(blob, content);
    assert.equal(await s.find(content.gitSha1), undefined);
    await blob.commit([content.sha256]);
    await blob.commit([content.sha256]);
    assert.equal(blob.state, 'complete');
    await blob.write(0, content.piece(0), content.proof(0));
    await blob.close();
    for (const digest of [content.gitSha1, content.sha256]) {
      const found = await s.find(digest);
      assert.equal(found?.digest, content.gitSha1);
      assert.deepEqual(found?.aliases, [content.sha256]);
      assert.equal(found?.state, 'complete');
      assert.equal(found?.heldBytes, content.spec.sizeBytes);
    }
  });

  on('opening by an alias opens the blob that it names', async ({ store: s }) => {
    const content = testBlob(21, 2 * MiB, 'git-sha1');
    await store(s, content);
    const blob = await s.open({ ...content.spec, digest: content.sha256 });
    assert.equal(blob.state, 'complete');
    assert.equal(blob.spec.digest, content.gitSha1);
    assert.ok((await readAll(blob, content)).equals(content.bytes));
    assert.deepEqual(blob.proof(1), content.proof(1));
    await blob.close();
    assert.equal(s.list().length, 1);
  });

  on('a digest with another size is refused', async ({ store: s }) => {
    const content = testBlob(22, 2 * MiB);
    await store(s, content);
    const other = { ...content.spec, sizeBytes: 1 * MiB };
    await assert.rejects(s.open(other), hasErrorCode('digest_mismatch'));
  });

  on('an alias can be added to a complete blob, and a proof replaced', async ({ store: s }) => {
    const content = testBlob(23, 2 * MiB);
    const blob = await s.open(content.spec);
    await writeAll(blob, content);
    await blob.commit([]);
    await blob.commit([content.gitSha1]);
    await Promise.all([0, 1].map((i) => blob.setProof(i, content.proof(i, 'me'))));
    await blob.close();
    assert.equal((await s.find(content.gitSha1))?.digest, content.spec.digest);
    const again = await s.open(content.spec);
    assert.deepEqual([again.proof(0), again.proof(1)], [content.proof(0, 'me'), content.proof(1, 'me')]);
    await again.close();
  });

  on('a blob is removed unless it is open', async ({ store: s }) => {
    const content = testBlob(24, 1 * MiB);
    assert.equal(await s.remove(content.spec.digest), false);
    await store(s, content);
    const blob = await s.open(content.spec);
    await assert.rejects(s.remove(content.spec.digest), hasErrorCode('store_locked'));
    await blob.close();
    assert.equal(await s.remove(content.gitSha1), true);
    assert.equal(await s.find(content.spec.digest), undefined);
    assert.deepEqual(s.list(), []);
  });
}
