import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { digestOf } from '../core/index.ts';
import { hasErrorCode, testBlob, writeAll } from '../testing/store-conformance/index.ts';
import { FILES_BEFORE_START, SmallFilePlacer } from './small-file-placer.ts';
import { on } from './store-harness.ts';

interface Place {
  readonly placer: SmallFilePlacer;
  readonly folder: string;
  readonly put: (name: string, replace?: boolean) => Promise<boolean>;
}

/** A placer that has been asked often enough to begin. */
async function busyPlacer(context: TestContext): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'anax-placer-'));
  const placer = new SmallFilePlacer();
  context.after(async () => {
    await placer.stop();
    await rm(folder, { recursive: true });
  });
  const put: Place['put'] = (name, replace = false) =>
    placer.place({
      bytes: Buffer.from(`of ${name}`),
      temporary: join(folder, `${name}.tmp`),
      target: join(folder, name),
      replace,
    });
  for (let file = 0; file < FILES_BEFORE_START; file += 1) assert.equal(await put(`early ${file}`), false);
  assert.deepEqual(await readdir(folder), [], 'a few files are not worth a thread');
  return { placer, folder, put };
}

test('files are put out with their content, and no temporary file stays', async (context) => {
  const { folder, put } = await busyPlacer(context);
  const names = Array.from({ length: 300 }, (_, at) => `file ${at}`);
  assert.ok((await Promise.all(names.map((name) => put(name)))).every(Boolean));
  assert.deepEqual((await readdir(folder)).toSorted(), names.toSorted());
  for (const name of names) assert.equal(await readFile(join(folder, name), 'utf8'), `of ${name}`);
});

test('what cannot be put out is said, and leaves nothing; the others of its batch are put out', async (context) => {
  const { folder, put } = await busyPlacer(context);
  await writeFile(join(folder, 'theirs'), 'mine');
  const asked = [put('theirs'), put('no/such/folder'), put('good')];
  assert.deepEqual(await Promise.all(asked), [false, false, true]);
  assert.equal(await readFile(join(folder, 'theirs'), 'utf8'), 'mine');
  assert.equal(await put('theirs', true), true);
  assert.equal(await readFile(join(folder, 'theirs'), 'utf8'), 'of theirs');
  assert.deepEqual((await readdir(folder)).toSorted(), ['good', 'theirs']);
});

test('a stopped placer puts nothing out, and tells all who wait', async (context) => {
  const { placer, put } = await busyPlacer(context);
  assert.equal(await put('first'), true);
  const waiting = Array.from({ length: 50 }, (_, at) => put(`waiting ${at}`));
  await placer.stop();
  for (const isPlaced of await Promise.all(waiting)) assert.equal(typeof isPlaced, 'boolean');
  assert.equal(await put('late'), false);
});

on('a pack of many files is put out whole, whichever way each of them takes', async (folder) => {
  const store = await folder.open();
  const content = testBlob(210, 1000 * 1000);
  const parts = Array.from({ length: 2 * FILES_BEFORE_START }, (_, at) => {
    const span = { offsetBytes: at * 5000, sizeBytes: 5000 };
    const bytes = content.bytes.subarray(span.offsetBytes, span.offsetBytes + span.sizeBytes);
    return { ...span, bytes, digests: [digestOf('sha256', bytes)] as const };
  });
  const blob = await store.open(content.spec);
  await writeAll(blob, content);
  await blob.commit(
    [],
    parts.map(({ digests, offsetBytes, sizeBytes }) => ({ digests, offsetBytes, sizeBytes })),
  );
  await blob.close();
  const put = (at: number, target: string, replace = false) =>
    store.materialize(parts[at]?.digests[0] ?? content.spec.digest, target, { replace, durable: false });
  const pathOf = (at: number): string => join(folder.outputs, String(at));
  const methods = await Promise.all(parts.map((_, at) => put(at, pathOf(at))));
  assert.deepEqual(new Set(methods), new Set(['copy']));
  for (const [at, { bytes }] of parts.entries())
    assert.deepEqual(await readFile(pathOf(at)), Buffer.from(bytes));
  await assert.rejects(put(1, pathOf(0)), hasErrorCode('output_exists'));
  await put(1, pathOf(0), true);
  assert.deepEqual(await readFile(pathOf(0)), Buffer.from(parts[1]?.bytes ?? []));
  await assert.rejects(put(1, join(folder.outputs, 'no', 'folder')), hasErrorCode('output_unwritable'));
  assert.equal((await readdir(folder.outputs)).length, parts.length);
});
