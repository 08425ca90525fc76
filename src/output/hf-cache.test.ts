import assert from 'node:assert/strict';
import { lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { digestHex, type Manifest, MiB } from '../core/index.ts';
import { type TestOutput, testOutput, writeOutput } from '../testing/memory-store/index.ts';
import { hasErrorCode } from '../testing/store-conformance/index.ts';
import { hfRepoFolder } from './hf-cache.ts';
import { hfCacheOutput } from './index.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const FILES = {
  'config.json': '{"a":1}',
  'empty.txt': '',
  'onnx/model.bin': new Uint8Array(1.5 * MiB).fill(3),
};

interface Place {
  readonly out: TestOutput;
  readonly manifest: Manifest;
  readonly repo: string;
  readonly write: (options?: { revision?: string; whole?: boolean }) => Promise<string[]>;
}

const on = (what: string, run: (place: Place) => Promise<void>): void => {
  test(what, async () => {
    const out = await testOutput();
    const manifest = await out.put(FILES);
    const write: Place['write'] = async ({ revision = 'main', whole = true } = {}) => {
      const wholeRevision = whole ? manifest : undefined;
      const options = { cacheFolder: out.folder, repo: 'org/name', commit: COMMIT, revision, wholeRevision };
      return await writeOutput(hfCacheOutput(out.deps, options), manifest);
    };
    try {
      await run({ out, manifest, repo: join(out.folder, 'models--org--name'), write });
    } finally {
      await out.close();
    }
  });
};

test('a repository has the folder name that huggingface_hub gives it', () => {
  assert.equal(hfRepoFolder('gpt2'), 'models--gpt2');
  assert.equal(hfRepoFolder('org/name'), 'models--org--name');
  assert.equal(hfRepoFolder('datasets/org/name'), 'datasets--org--name');
  assert.throws(() => hfRepoFolder('../up'), hasErrorCode('listing_unsafe'));
});

on('a snapshot is blobs, relative links, a tree, a ref and a tag', async ({ out, manifest, repo, write }) => {
  assert.deepEqual(await write(), ['copy', 'copy', 'copy']);
  const snapshot = join(repo, 'snapshots', COMMIT);
  for (const file of manifest.files) {
    const up = '../'.repeat(file.path.split('/').length + 1);
    assert.equal(await readlink(join(snapshot, file.path)), `${up}blobs/${digestHex(file.digest)}`);
    assert.equal((await readFile(join(snapshot, file.path))).length, file.sizeBytes);
  }
  assert.equal(await readFile(join(repo, 'refs', 'main'), 'utf8'), COMMIT);
  const tag = await readFile(join(out.folder, 'CACHEDIR.TAG'), 'utf8');
  assert.match(tag, /^Signature: 8a477f597d28d172789f06886806bc55\n/u);
  const tree = JSON.parse(await readFile(join(repo, 'trees', `${COMMIT}.json`), 'utf8')) as {
    files: Record<string, object>;
  };
  const lfs = manifest.files.find(({ path }) => path === 'onnx/model.bin');
  const config = manifest.files.find(({ path }) => path === 'config.json');
  assert.ok(lfs && config);
  assert.deepEqual(tree.files['config.json'], { size: 7, blob_id: digestHex(config.digest) });
  assert.deepEqual(
    { ...tree.files['onnx/model.bin'], blob_id: '' },
    {
      size: lfs.sizeBytes,
      blob_id: '',
      lfs_sha256: digestHex(lfs.digest),
      lfs_size: lfs.sizeBytes,
    },
  );
});

on('a second time everything is kept, and no temporary file is left', async ({ out, write }) => {
  await write();
  const before = await readdir(out.folder, { recursive: true });
  assert.deepEqual(await write(), ['kept', 'kept', 'kept']);
  assert.deepEqual(await readdir(out.folder, { recursive: true }), before);
  assert.ok(before.every((name) => !name.endsWith('.tmp')));
});

on('of a filtered snapshot no tree is written', async ({ repo, write }) => {
  await write({ whole: false });
  assert.ok(!(await readdir(repo)).includes('trees'));
});

on('a tree is written only with every file in place', async ({ out, manifest, repo }) => {
  const whole = { cacheFolder: out.folder, repo: 'org/name', commit: COMMIT, revision: 'main' };
  const output = hfCacheOutput(out.deps, { ...whole, wholeRevision: manifest });
  for (const file of manifest.files.slice(1)) await output.write(file);
  await output.finish();
  assert.ok(!(await readdir(repo)).includes('trees'));
});

on('a commit as revision gives no ref, a nested revision a nested one', async ({ repo, write }) => {
  await write({ revision: COMMIT });
  assert.ok(!(await readdir(repo)).includes('refs'));
  await write({ revision: 'refs/pr/1' });
  assert.equal(await readFile(join(repo, 'refs', 'refs', 'pr', '1'), 'utf8'), COMMIT);
  await assert.rejects(write({ revision: '../../x' }), hasErrorCode('listing_unsafe'));
});

on('an existing cache is completed: plain files and shared blobs stay', async ({ manifest, repo, write }) => {
  const [config, , lfs] = manifest.files;
  assert.ok(config && lfs);
  const plain = join(repo, 'snapshots', COMMIT, 'config.json');
  await mkdir(dirname(plain), { recursive: true });
  await writeFile(plain, FILES['config.json']);
  const shared = join(repo, '..', 'blobs', 'ab', 'shared');
  await mkdir(dirname(shared), { recursive: true });
  await writeFile(shared, FILES['onnx/model.bin']);
  const blob = join(repo, 'blobs', digestHex(lfs.digest));
  await mkdir(dirname(blob));
  await symlink('../../blobs/ab/shared', blob);
  assert.deepEqual(await write(), ['copy', 'copy', 'kept']);
  assert.ok((await lstat(plain)).isFile());
  assert.ok((await lstat(blob)).isSymbolicLink());
});

on('a damaged blob and a wrong link are put right', async ({ manifest, repo, write }) => {
  await write();
  const [config] = manifest.files;
  assert.ok(config);
  await writeFile(join(repo, 'blobs', digestHex(config.digest)), '{"a":2}');
  const link = join(repo, 'snapshots', COMMIT, 'config.json');
  await rm(link);
  await symlink('../../blobs/nothing', link);
  assert.deepEqual(await write(), ['copy', 'kept', 'kept']);
  assert.equal(await readFile(link, 'utf8'), FILES['config.json']);
});
