// Blobs put at paths outside the store.

import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, type MaterializeOptions, MiB } from '../../core/index.ts';
import { testBlob } from './content.ts';
import { hasErrorCode, store, writeAll } from './store-use.ts';
import { type On } from './under-test.ts';

export function materializeTests(on: On): void {
  for (const method of ['link', 'copy'] as const) {
    on(`a blob is put at a path (${method}), once unless it may replace`, async ({ store: s, outputs }) => {
      const content = testBlob(30, 1.25 * MiB);
      await store(s, content);
      const target = join(outputs, 'model.bin');
      const put = (options: MaterializeOptions) => s.materialize(content.gitSha1, target, options);
      const used = await put({ replace: false, method });
      if (method === 'copy') assert.equal(used, 'copy');
      assert.ok((await readFile(target)).equals(content.bytes));
      await put({ replace: true, method });
      await put({ replace: true, method });
      await writeFile(join(outputs, 'other'), 'mine');
      const other = s.materialize(content.spec.digest, join(outputs, 'other'), { replace: false, method });
      await assert.rejects(other, hasErrorCode('output_exists'));
      assert.equal(await readFile(join(outputs, 'other'), 'utf8'), 'mine');
      assert.deepEqual((await readdir(outputs)).toSorted(), ['model.bin', 'other']);
    });
  }

  on('the empty blob is put without being stored', async ({ store: s, outputs }) => {
    const empty = digestOf('git-sha1', new Uint8Array(0));
    await s.materialize(empty, join(outputs, 'empty'), { replace: false });
    assert.equal((await readFile(join(outputs, 'empty'))).length, 0);
  });

  on('what is not complete is not put anywhere', async ({ store: s, outputs }) => {
    const content = testBlob(31, 1 * MiB);
    const blob = await s.open(content.spec);
    await writeAll(blob, content);
    const early = s.materialize(content.spec.digest, join(outputs, 'x'), { replace: true });
    await assert.rejects(early, hasErrorCode('blob_not_found'));
    await blob.close();
    assert.deepEqual(await readdir(outputs), []);
  });

  on('a target whose folder is missing is unwritable', async ({ store: s, outputs }) => {
    const content = testBlob(32, 1 * MiB);
    await store(s, content);
    const target = join(outputs, 'no', 'such', 'folder');
    await assert.rejects(
      s.materialize(content.spec.digest, target, { replace: true }),
      hasErrorCode('output_unwritable'),
    );
  });
}
