// A model of many small files whose daemon is killed while it puts them out.

import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startEmulator, wrongFiles } from '../../src/testing/cluster/index.ts';
import { assertDelivered, cluster, listedFiles, REPO, startGet } from './support.ts';

const FILES = 1_500;

test('a daemon that is killed between a thousand files leaves whole ones only, and the next download has the rest and tidies up', async (context) => {
  const manyFiles = { count: FILES, fileBytes: 10_000, seed: 'small' };
  const hub = await startEmulator({ repos: [{ id: REPO, manyFiles }] });
  context.after(() => hub.stop());
  const { peers } = await cluster(context, hub, { peers: 1 });
  const [peer] = peers;
  assert.ok(peer);
  const killed = Promise.withResolvers<void>();
  const first = startGet(peer, hub, (line) => {
    if (line.kind === 'files_done') killed.resolve(peer.kill());
  });
  await killed.promise;
  const cut = await first.result;
  assert.notEqual(cut.exitCode, 0);
  const there = new Set(await readdir(peer.output));
  const placed = listedFiles(cut).filter(({ path }) => there.has(path));
  context.diagnostic(`${placed.length} of ${FILES} files were in place`);
  assert.ok(placed.length > 0 && placed.length < FILES);
  assert.deepEqual(await wrongFiles(peer.output, placed), []);

  // A temporary file that was open in that moment is left by chance only: one more is, and one of somebody else's.
  const name = (await readFile(join(peer.cacheDir, 'store', 'name'), 'utf8')).trim();
  const theirs = '.anax-0000000000000000-0000000000000000-0.tmp';
  for (const left of [`.anax-${name}-0000000000000000-0.tmp`, theirs])
    await writeFile(join(peer.output, left), '');

  await peer.start();
  const again = await startGet(peer, hub).result;
  await assertDelivered(again, peer.output);
  const methods = again.lines.flatMap((line) => (line.kind === 'files_done' ? line.files : []));
  const kept = methods.filter(({ method }) => method === 'existing').length;
  assert.equal(kept, placed.length);
  const temporary = (await readdir(peer.output)).filter((path) => path.endsWith('.tmp'));
  assert.deepEqual(temporary, [theirs]);
});
