// What a killed process left in an output's folders goes with the next delivery; what others are writing there stays.

import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryNames } from '../core/index.ts';
import { type TestOutput, testOutput, writeOutput } from '../testing/memory-store/index.ts';
import { fileOutput, folderOutput, hfCacheOutput, type Output } from './index.ts';

const [CACHE, BEFORE, NOW] = ['00000000000000aa', '00000000000000b1', '00000000000000b2'];
const LEFT = temporaryNames(CACHE, BEFORE).next();
/** By another process, and by this one in another download. */
const IN_USE = [temporaryNames('00000000000000cc', BEFORE).next(), temporaryNames(CACHE, NOW).next()];
const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const REPO = 'models--o--n';

type Open = (out: TestOutput, deps: TestOutput['deps']) => Output;

const OUTPUTS: readonly {
  readonly what: string;
  readonly open: Open;
  readonly folders: readonly string[];
}[] = [
  {
    what: 'a folder',
    open: (out, deps) => folderOutput(deps, out.folder, { overwrite: false }),
    folders: ['', 'deep'],
  },
  {
    what: 'a single file',
    open: (out, deps) => fileOutput(deps, join(out.folder, 'deep', 'a.txt'), { overwrite: false }),
    folders: ['deep'],
  },
  {
    what: 'a Hugging Face cache',
    open: ({ folder }, deps) =>
      hfCacheOutput(deps, {
        cacheFolder: folder,
        repo: 'o/n',
        commit: COMMIT,
        revision: 'main',
        wholeRevision: undefined,
      }),
    folders: ['', `${REPO}/blobs`, `${REPO}/snapshots/${COMMIT}/deep`, `${REPO}/refs`],
  },
];

for (const { what, open, folders } of OUTPUTS) {
  test(`${what}: leftovers go, files in use stay`, async (context) => {
    const out = await testOutput();
    context.after(() => out.close());
    for (const folder of folders) {
      await mkdir(join(out.folder, folder), { recursive: true });
      for (const name of [LEFT, ...IN_USE]) await writeFile(join(out.folder, folder, name), 'half');
    }
    const files = what === 'a single file' ? { 'a.txt': '1' } : { 'a.txt': '1', 'deep/b.txt': '2' };
    const deps = { ...out.deps, temporaryNames: temporaryNames(CACHE, NOW) };
    await writeOutput(open(out, deps), await out.put(files));
    const left = (await readdir(out.folder, { recursive: true })).filter((path) => path.endsWith('.tmp'));
    const expected = folders.flatMap((folder) => IN_USE.map((name) => join(folder, name)));
    assert.deepEqual(left.toSorted(), expected.toSorted());
  });
}

test('leftovers go also where all files are in place', async (context) => {
  const out = await testOutput();
  context.after(() => out.close());
  const deps = { ...out.deps, temporaryNames: temporaryNames(CACHE, NOW) };
  const manifest = await out.put({ 'a.txt': '1' });
  await writeOutput(folderOutput(deps, out.folder, { overwrite: false }), manifest);
  await writeFile(join(out.folder, LEFT), 'half');
  const again = folderOutput(deps, out.folder, { overwrite: false });
  for (const file of manifest.files) assert.equal(await again.has(file), true);
  assert.deepEqual(await readdir(out.folder), ['a.txt']);
});
