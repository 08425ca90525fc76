import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type MaterializeOptions, MiB, originDigest, parseRepoPath, pieceLengthFor } from '../core/index.ts';
import { putBlob, type TestOutput, testOutput, writeOutput } from '../testing/memory-store/index.ts';
import { hasErrorCode } from '../testing/store-conformance/index.ts';
import { fileOutput, folderOutput, resolveFileTarget } from './index.ts';

const KEEP = { overwrite: false };

const on = (what: string, run: (out: TestOutput) => Promise<void>): void => {
  test(what, async () => {
    const out = await testOutput();
    try {
      await run(out);
    } finally {
      await out.close();
    }
  });
};

const FILES = {
  'config.json': '{}',
  'deep/er/vocab.txt': 'a\nb\n',
  'empty.txt': '',
  'model.safetensors': new Uint8Array(2 * MiB).fill(7),
};

on('a snapshot is written with its folders and its empty files, and a second time kept', async (out) => {
  const manifest = await out.put(FILES);
  const folder = join(out.folder, 'new', 'folder');
  const outcomes = async () => await writeOutput(folderOutput(out.deps, folder, KEEP), manifest);
  assert.deepEqual(await outcomes(), ['copy', 'copy', 'copy', 'copy']);
  for (const [path, content] of Object.entries(FILES)) {
    assert.ok((await readFile(join(folder, path))).equals(Buffer.from(content)), path);
  }
  assert.deepEqual(await outcomes(), ['kept', 'kept', 'kept', 'kept']);
  const output = folderOutput(out.deps, folder, KEEP);
  for (const file of manifest.files) assert.ok(await output.has(file), file.path);
});

on('an empty snapshot makes the folder', async (out) => {
  const folder = join(out.folder, 'new');
  await writeOutput(folderOutput(out.deps, folder, KEEP), await out.put({}));
  assert.deepEqual(await readdir(folder), []);
});

on('small files are private copies, larger ones may be links', async (out) => {
  const manifest = await out.put({ small: new Uint8Array(1 * MiB), large: new Uint8Array(1 * MiB + 1) });
  const asked = new Map<string, MaterializeOptions>();
  const deps = {
    ...out.deps,
    materialize: async (_: unknown, target: string, options: MaterializeOptions) => {
      asked.set(target.slice(out.folder.length + 1), options);
      return 'copy' as const;
    },
  };
  await writeOutput(folderOutput(deps, out.folder, KEEP), manifest);
  assert.deepEqual(asked.get('small'), { replace: false, method: 'copy', durable: false });
  assert.deepEqual(asked.get('large'), { replace: false, method: 'link', durable: true });
});

on('a file with other content is refused, and replaced with overwrite', async (out) => {
  const manifest = await out.put({ 'a.txt': 'right' });
  const [file] = manifest.files;
  assert.ok(file);
  // The same size: only the digest tells.
  await writeFile(join(out.folder, 'a.txt'), 'wrong');
  const output = folderOutput(out.deps, out.folder, KEEP);
  await assert.rejects(output.has(file), hasErrorCode('output_exists'));
  assert.equal(await folderOutput(out.deps, out.folder, { overwrite: true }).has(file), false);
  await assert.rejects(output.write(file), hasErrorCode('output_exists'));
  assert.equal(await readFile(join(out.folder, 'a.txt'), 'utf8'), 'wrong');
  await folderOutput(out.deps, out.folder, { overwrite: true }).write(file);
  assert.equal(await readFile(join(out.folder, 'a.txt'), 'utf8'), 'right');
});

on('a linked folder below the output is not walked through', async (out) => {
  const manifest = await out.put({ 'sub/deep/a.txt': 'content' });
  const [file] = manifest.files;
  assert.ok(file);
  const [folder, elsewhere] = [join(out.folder, 'out'), join(out.folder, 'elsewhere')];
  await mkdir(folder);
  await mkdir(join(elsewhere, 'deep'), { recursive: true });
  await writeFile(join(elsewhere, 'deep', 'a.txt'), 'content');
  await symlink(elsewhere, join(folder, 'sub'));
  for (const overwrite of [false, true]) {
    const output = folderOutput(out.deps, folder, { overwrite });
    assert.equal(await output.has(file), false);
    await assert.rejects(output.write(file), (error: { code?: string; hint?: string }) => {
      assert.equal(error.code, 'output_unwritable');
      assert.match(error.hint ?? '', /link/u);
      return true;
    });
  }
});

on('the output folder itself may be a link', async (out) => {
  const manifest = await out.put({ 'sub/a.txt': 'content' });
  await mkdir(join(out.folder, 'real'));
  await symlink(join(out.folder, 'real'), join(out.folder, 'link'));
  await writeOutput(folderOutput(out.deps, join(out.folder, 'link'), KEEP), manifest);
  assert.equal(await readFile(join(out.folder, 'real', 'sub', 'a.txt'), 'utf8'), 'content');
});

on('a link in the place of a file is replaced, never written through', async (out) => {
  const manifest = await out.put({ 'a.txt': 'content' });
  const [file] = manifest.files;
  assert.ok(file);
  await writeFile(join(out.folder, 'victim'), 'victim');
  await symlink(join(out.folder, 'victim'), join(out.folder, 'a.txt'));
  await assert.rejects(folderOutput(out.deps, out.folder, KEEP).write(file), hasErrorCode('output_exists'));
  await folderOutput(out.deps, out.folder, { overwrite: true }).write(file);
  assert.equal(await readFile(join(out.folder, 'victim'), 'utf8'), 'victim');
  assert.equal(await readFile(join(out.folder, 'a.txt'), 'utf8'), 'content');
});

on('a file in the place of a folder makes the output unwritable', async (out) => {
  const manifest = await out.put({ 'sub/a.txt': 'content' });
  await writeFile(join(out.folder, 'sub'), 'a file');
  const writing = writeOutput(folderOutput(out.deps, out.folder, KEEP), manifest);
  await assert.rejects(writing, hasErrorCode('output_unwritable'));
});

on('a single file goes to the path, or into it where it is a folder', async (out) => {
  const manifest = await out.put({ 'onnx/model.bin': new Uint8Array(10) });
  const [file] = manifest.files;
  assert.ok(file);
  const at = (path: string): string => join(out.folder, path);
  assert.equal(await resolveFileTarget(at('x.bin'), file), at('x.bin'));
  assert.equal(await resolveFileTarget(`${at('new')}/`, file), at('new/model.bin'));
  await mkdir(at('there'));
  assert.equal(await resolveFileTarget(at('there'), file), at('there/model.bin'));
  const output = fileOutput(out.deps, at('p/q/x.bin'), KEEP);
  assert.equal(await output.has(file), false);
  await output.write(file);
  assert.equal(await output.has(file), true);
  assert.equal(await output.write(file), 'kept');
  assert.equal((await stat(at('p/q/x.bin'))).size, 10);
});

on('a file of an origin without digests is recognised by an alias', async (out) => {
  const bytes = Buffer.from('from a plain web server');
  const digest = originDigest('http://h/f', 'etag', bytes.length);
  await putBlob(out.store, { digest, bytes });
  const sizes = { sizeBytes: bytes.length, pieceLengthBytes: pieceLengthFor(bytes.length) };
  const file = { path: parseRepoPath('f'), digest, ...sizes };
  const output = folderOutput(out.deps, out.folder, KEEP);
  await output.write(file);
  assert.equal(await output.has(file), true);
  assert.equal(await output.write(file), 'kept');
  // Nothing known to compare with: it may be the one, and is not refused before it is fetched.
  await out.store.remove(digest);
  assert.equal(await output.has(file), false);
});

on('what comes into being after the folder was looked at is not replaced', async (out) => {
  const manifest = await out.put({ 'a.txt': 'right', 'b.txt': 'same' });
  const [a, b] = manifest.files;
  assert.ok(a && b);
  const output = folderOutput(out.deps, out.folder, KEEP);
  assert.equal(await output.has(a), false);
  await writeFile(join(out.folder, 'a.txt'), 'theirs');
  await writeFile(join(out.folder, 'b.txt'), 'same');
  await assert.rejects(output.write(a), hasErrorCode('output_exists'));
  assert.equal(await readFile(join(out.folder, 'a.txt'), 'utf8'), 'theirs');
  assert.equal(await output.write(b), 'kept');
  assert.deepEqual((await readdir(out.folder)).toSorted(), ['a.txt', 'b.txt']);
});

on('an empty file in the place of one with content, as a power loss leaves it, is replaced', async (out) => {
  const manifest = await out.put({ 'a.txt': 'content' });
  const [file] = manifest.files;
  assert.ok(file);
  await writeFile(join(out.folder, 'a.txt'), '');
  const output = folderOutput(out.deps, out.folder, KEEP);
  assert.equal(await output.has(file), false);
  assert.equal(await output.write(file), 'copy');
  assert.equal(await readFile(join(out.folder, 'a.txt'), 'utf8'), 'content');
});
