import assert from 'node:assert/strict';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode, type OriginRef, type StoredSnapshot } from '../core/index.ts';
import { FAKE_COMMIT, FAKE_REF } from '../testing/fake-source/index.ts';
import { testOutput } from '../testing/memory-store/index.ts';
import { createDestination, type DestinationRequest } from './outputs.ts';

const FILES = { 'config.json': '{}', 'sub/a.bin': 'A', 'sub/deep/b.txt': 'B' };

/** Puts files out as a download of a ref would; returns the folder that outputs are in. */
async function putOut(
  context: TestContext,
  files: Readonly<Record<string, string>>,
  asked: Partial<OriginRef>,
  request: (folder: string) => Partial<DestinationRequest>,
) {
  const output = await testOutput();
  context.after(() => output.close());
  const manifest = await output.put(files);
  const ref = { ...FAKE_REF, ...asked };
  const pinned = { ...ref, revision: FAKE_COMMIT, restricted: false };
  const snapshot: StoredSnapshot = { id: manifest.id, ref: pinned, manifest };
  const wanted = { include: [], exclude: [], overwrite: false, ...request(output.folder) };
  const destination = await createDestination(output.store, wanted, ref, snapshot);
  const methods: string[] = [];
  for (const file of manifest.files) methods.push(await destination.place(file));
  await destination.finish();
  return { folder: output.folder, path: destination.path, methods };
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .toSorted();
}

test('a repository becomes a folder', async (context) => {
  const { folder, path } = await putOut(context, FILES, {}, (root) => ({ outputPath: join(root, 'out') }));
  assert.equal(path, join(folder, 'out'));
  assert.deepEqual(await filesIn(path), Object.keys(FILES));
});

test('a folder of a repository becomes the output folder itself', async (context) => {
  const { 'config.json': _, ...below } = FILES;
  const { path } = await putOut(context, below, { path: 'sub' }, (root) => ({
    outputPath: join(root, 'out'),
  }));
  assert.deepEqual(await filesIn(path ?? ''), ['a.bin', 'deep/b.txt']);
});

test('a file that was asked for by name becomes the output file', async (context) => {
  const one = { 'sub/a.bin': 'A' };
  const { path } = await putOut(context, one, { path: 'sub/a.bin' }, (root) => ({
    outputPath: join(root, 'mine.bin'),
  }));
  assert.equal(await readFile(path ?? '', 'utf8'), 'A');
});

test('a repository with one file is still a folder', async (context) => {
  const { path } = await putOut(context, { 'a.bin': 'A' }, {}, (root) => ({ outputPath: join(root, 'out') }));
  assert.deepEqual(await filesIn(path ?? ''), ['a.bin']);
});

test('what a web server has under one address is a file', async (context) => {
  const web = { scheme: 'https', repo: 'models/a.bin' };
  const { path } = await putOut(context, { 'a.bin': 'A' }, web, (root) => ({ outputPath: join(root, 'x') }));
  assert.equal(await readFile(path ?? '', 'utf8'), 'A');
});

test('without an output nothing is put out', async (context) => {
  const { folder, path, methods } = await putOut(context, FILES, {}, () => ({}));
  assert.equal(path, undefined);
  assert.deepEqual(new Set(methods), new Set(['none']));
  assert.deepEqual(await readdir(folder), []);
});

test('what is there already is kept', async (context) => {
  const output = await testOutput();
  context.after(() => output.close());
  const manifest = await output.put(FILES);
  const ref = { ...FAKE_REF, revision: FAKE_COMMIT, restricted: false };
  const request = { include: [], exclude: [], overwrite: false, outputPath: join(output.folder, 'out') };
  const run = async () => {
    const snapshot = { id: manifest.id, ref, manifest };
    const destination = await createDestination(output.store, request, FAKE_REF, snapshot);
    return Promise.all(manifest.files.map((file) => destination.place(file)));
  };
  assert.deepEqual(await run(), ['copy', 'copy', 'copy']);
  assert.deepEqual(await run(), ['existing', 'existing', 'existing']);
});

test('a Hugging Face cache gets blobs, links, the ref that was asked for, and the tree of a whole revision', async (context) => {
  const { folder } = await putOut(context, FILES, { scheme: 'hf' }, (root) => ({
    hfCacheDir: join(root, 'hub'),
  }));
  const repo = join(folder, 'hub', 'models--acme--model');
  assert.equal(await readFile(join(repo, 'refs', 'main'), 'utf8'), FAKE_COMMIT);
  assert.deepEqual(await filesIn(join(repo, 'snapshots', FAKE_COMMIT)), Object.keys(FILES));
  assert.ok((await lstat(join(repo, 'snapshots', FAKE_COMMIT, 'sub/a.bin'))).isSymbolicLink());
  assert.deepEqual(await readdir(join(repo, 'trees')), [`${FAKE_COMMIT}.json`]);
});

test('a part of a revision leaves no tree in the cache', async (context) => {
  const { folder } = await putOut(context, { 'config.json': '{}' }, { scheme: 'hf' }, (root) => ({
    hfCacheDir: join(root, 'hub'),
    include: ['*.json'],
  }));
  const entries = await readdir(join(folder, 'hub', 'models--acme--model'));
  assert.ok(entries.includes('refs') && !entries.includes('trees'), entries.join());
});

test('cache and folder are filled by one download', async (context) => {
  const { folder, path } = await putOut(context, FILES, { scheme: 'hf' }, (root) => ({
    hfCacheDir: join(root, 'hub'),
    outputPath: join(root, 'out'),
  }));
  assert.equal(path, join(folder, 'out'));
  assert.deepEqual(await filesIn(path), Object.keys(FILES));
  const snapshot = join(folder, 'hub', 'models--acme--model', 'snapshots', FAKE_COMMIT);
  assert.deepEqual(await filesIn(snapshot), Object.keys(FILES));
});

test("another hub's files do not go into a Hugging Face cache", async (context) => {
  const put = putOut(context, FILES, { scheme: 'modelscope' }, (root) => ({ hfCacheDir: join(root, 'hub') }));
  await assert.rejects(put, (error) => hasCode(error, 'usage_invalid'));
});
