import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import {
  AnaxError,
  createManifest,
  type Digest,
  digestOf,
  hasCode,
  type StoredSnapshot,
} from '../core/index.ts';
import { hostOf } from './session-harness.ts';

type Host = Awaited<ReturnType<typeof hostOf>>;

const SMALL = Object.fromEntries(
  Array.from({ length: 250 }, (_, at) => [`part/${at}.json`, Buffer.alloc(10_000, `file ${at} `)]),
);

function digestAt({ source }: Host, path: string): Digest {
  const bytes = source.files[path];
  assert.ok(bytes);
  return digestOf('sha256', bytes);
}

async function fetchAll({ sessions }: Host, snapshot: StoredSnapshot) {
  const use = await sessions.use(snapshot, {});
  await Promise.all(snapshot.manifest.files.map(({ digest }) => use.session.waitFor(digest)));
  return use;
}

test('small files are stored in packs, and come out one by one', async (context) => {
  const host = await hostOf(context, false, SMALL);
  const use = await fetchAll(host, host.snapshot);
  assert.equal(use.session.map.pieceCount, 3);
  assert.equal(host.store.list().length, 3);
  const folder = await mkdtemp(join(tmpdir(), 'anax-packs-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  for (const path of ['part/0.json', 'part/99.json', 'part/249.json']) {
    await host.store.materialize(digestAt(host, path), join(folder, 'out'), { replace: true });
    assert.deepEqual(await readFile(join(folder, 'out')), SMALL[path]);
  }
  await use.release();
});

test('a wrong or missing file of a pack fails alone, and its pack is read again by the next use', async (context) => {
  const host = await hostOf(context, true, SMALL);
  const get = host.source.get.bind(host.source);
  host.source.get = async (ref, file, range, sourceContext) => {
    if (file.path === 'part/7.json') throw new AnaxError('file_not_found', file.path);
    if (file.path === 'part/8.json') return Readable.from([Buffer.alloc(10_000, 'wrong')]);
    return await get(ref, file, range, sourceContext);
  };
  const use = await host.sessions.use(host.snapshot, {});
  const waitFor = (path: string) => use.session.waitFor(digestAt(host, path));
  await waitFor('part/6.json');
  await assert.rejects(waitFor('part/7.json'), (error) => hasCode(error, 'file_not_found'));
  await assert.rejects(waitFor('part/8.json'), (error) => hasCode(error, 'digest_mismatch'));
  await waitFor('part/249.json');
  assert.equal(await host.store.find(digestAt(host, 'part/8.json')), undefined);
  await use.release();
  host.source.get = get;
  await (await fetchAll(host, host.snapshot)).release();
  assert.ok(await host.store.find(digestAt(host, 'part/8.json')));
});

test('an origin that fails ends the lease, not one file', async (context) => {
  const host = await hostOf(context, false, SMALL);
  host.source.get = async () => {
    throw new AnaxError('access_denied', 'no');
  };
  const use = await host.sessions.use(host.snapshot, {});
  await assert.rejects(use.session.waitFor(digestAt(host, 'part/0.json')), (error) =>
    hasCode(error, 'access_denied'),
  );
  await use.release();
});

test('another snapshot takes the small files that are held, in whatever pack or blob', async (context) => {
  const host = await hostOf(context, false, { ...SMALL, 'readme.md': Buffer.from('one more') });
  await (await fetchAll(host, host.snapshot)).release();
  const read = host.source.ranges.length;
  const listed = host.source.listed();
  for (const some of [listed.slice(5, 60), listed.slice(100, 101)]) {
    const manifest = createManifest(some);
    await (await fetchAll(host, { ...host.snapshot, id: manifest.id, manifest })).release();
  }
  assert.equal(host.source.ranges.length, read);
});
