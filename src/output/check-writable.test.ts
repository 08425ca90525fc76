import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '../core/index.ts';
import { checkWritable } from './check-writable.ts';

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'anax-writable-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('a folder, and one that is still to be made, can be hoped for; nothing is made', async (context) => {
  const folder = await temporaryFolder(context);
  await mkdir(join(folder, 'there'));
  await checkWritable(join(folder, 'there'));
  await checkWritable(join(folder, 'not', 'yet', 'there'));
  assert.deepEqual(await readdir(folder), ['there']);
});

test('a file is no folder, and nothing can be below it', async (context) => {
  const folder = await temporaryFolder(context);
  await writeFile(join(folder, 'file'), '');
  for (const path of ['file', 'file/below', 'file/further/below']) {
    await assert.rejects(checkWritable(join(folder, path)), (error: unknown) => {
      assert.ok(hasCode(error, 'output_unwritable'));
      assert.match(error.message, /file is not a folder/u);
      return true;
    });
  }
});
