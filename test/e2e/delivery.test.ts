// The main job with real processes: a model leaves the hub once and arrives at every peer.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { dfget, startEmulator } from '../../src/testing/cluster/index.ts';
import {
  assertDelivered,
  cluster,
  contentBytes,
  getThrough,
  listedFiles,
  MiB,
  modelHub,
  REPO,
  reached,
  statusOf,
  temporaryFolder,
} from './support.ts';

test('eight peers get a model, the origin is read once', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 64 });
  const { peers } = await cluster(context, hub, { peers: 8 });
  const results = await Promise.all(peers.map((peer) => getThrough(peer, hub).result));
  for (const [at, result] of results.entries()) await assertDelivered(result, peers[at]?.output ?? '');
  const [first] = results;
  assert.ok(first);
  const stats = await hub.stats();
  assert.equal(stats.contentBytesSent, contentBytes(first));
  const allowed = listedFiles(first).length + 10;
  assert.ok(stats.requests <= allowed, `${stats.requests} requests, ${allowed} allowed`);
  assert.equal(stats.credentialLeaks, 0);
});

test('sharing starts at once: peers hold pieces while the origin is still being read', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 64, totalBytesPerSecond: 8 * MiB });
  const { peers } = await cluster(context, hub, { peers: 4 });
  const runs = peers.map((peer) => getThrough(peer, hub));
  for (const peer of peers) await reached(peer, 0.25);
  const { contentBytesSent } = await hub.stats();
  assert.ok(contentBytesSent < 64 * MiB, 'the origin was read to its end before every peer had a quarter');
  for (const [at, run] of runs.entries()) await assertDelivered(await run.result, peers[at]?.output ?? '');
});

test('the second download asks for the revision only, and with a commit for nothing', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 8 });
  const folder = await temporaryFolder(context);
  const get = (url: string, out: string) =>
    dfget([url, '-O', join(folder, out), '--cache-dir', join(folder, 'cache')], {
      env: { HF_ENDPOINT: hub.url },
    });
  await assertDelivered(await get(`hf://${REPO}`, 'one'), join(folder, 'one'));
  await hub.reset();
  await assertDelivered(await get(`hf://${REPO}`, 'two'), join(folder, 'two'));
  assert.equal((await hub.stats()).requests, 1);
  await hub.reset();
  const commit = hub.repos[REPO]?.['main'];
  await assertDelivered(await get(`hf://${REPO}@${commit}`, 'three'), join(folder, 'three'));
  assert.equal((await hub.stats()).requests, 0);
});

test('the same files from two hubs are fetched and stored once', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 8 });
  const other = await startEmulator({
    kind: 'modelscope',
    repos: [{ id: REPO, model: { sizeBytes: 8 * MiB, shards: 4, seed: 'e2e' } }],
  });
  context.after(() => other.stop());
  const folder = await temporaryFolder(context);
  const get = (scheme: string) =>
    dfget([`${scheme}://${REPO}`, '-O', join(folder, scheme), '--cache-dir', join(folder, 'cache')], {
      env: { HF_ENDPOINT: hub.url, MODELSCOPE_ENDPOINT: other.url },
    });
  await assertDelivered(await get('hf'), join(folder, 'hf'));
  const second = await get('modelscope');
  await assertDelivered(second, join(folder, 'modelscope'));
  assert.equal((await other.stats()).contentBytesSent, 0);
  assert.equal(second.summary?.bytesFromOrigin, 0);
});

test('a private repository goes through the seed with the token of the caller', async (context) => {
  const hub = await startEmulator({
    kind: 'huggingface',
    repos: [{ id: REPO, private: true, model: { sizeBytes: 4 * MiB, shards: 2, seed: 'e2e' } }],
    tokens: { hf_good: { canRead: [REPO] }, hf_other: {} },
  });
  context.after(() => hub.stop());
  const { peers, seeds, scheduler } = await cluster(context, hub, { peers: 2 });
  const [one, two] = peers;
  assert.ok(one && two);
  const good = await getThrough(one, hub, '--hf-token', 'hf_good').result;
  await assertDelivered(good, one.output);
  const refused = await getThrough(two, hub, '--hf-token', 'hf_other').result;
  assert.equal(refused.exitCode, 5, refused.stderr);
  const anonymous = await getThrough(two, hub).result;
  assert.equal(anonymous.exitCode, 3, anonymous.stderr);
  const [seed] = seeds;
  assert.ok(seed);
  assert.equal((await statusOf(seed)).totals.bytesFromOrigin, contentBytes(good));
  for (const node of [one, two, seed, scheduler]) {
    assert.equal(node.service.log.includes('hf_good'), false, 'a token is in a log');
  }
});

test('one file, a folder, and filters put out what was asked for', async (context) => {
  const hub = await startEmulator({
    kind: 'huggingface',
    repos: [
      {
        id: REPO,
        revisions: { main: { 'a.txt': 'A', 'sub/b.txt': 'B', 'sub/deep/c.json': '{}', 'd.bin': 'D' } },
      },
    ],
  });
  context.after(() => hub.stop());
  const folder = await temporaryFolder(context);
  const get = async (url: string, out: string, ...more: string[]) => {
    const args = [url, '-O', join(folder, out), '--cache-dir', join(folder, 'cache'), ...more];
    const result = await dfget(args, { env: { HF_ENDPOINT: hub.url } });
    assert.equal(result.exitCode, 0, result.stderr);
    return result;
  };
  const text = (path: string) => readFile(join(folder, path), 'utf8');
  await get(`hf://${REPO}/sub/b.txt`, 'single.txt');
  assert.equal(await text('single.txt'), 'B');
  await get(`hf://${REPO}/sub`, 'folder');
  assert.equal(await text('folder/b.txt'), 'B');
  assert.equal(await text('folder/deep/c.json'), '{}');
  const some = await get(`hf://${REPO}`, 'some', '--include', '*.txt', '--exclude', 'sub/*');
  assert.deepEqual(
    listedFiles(some).map((file) => file.path),
    ['a.txt'],
  );
});

test('small files travel together: a thousand cost a dozen pieces, and the origin one request each', async (context) => {
  const names = Array.from({ length: 1_000 }, (_, at) => `part-${at % 10}/${at}.json`);
  const generated = (seed: string) => ({ generated: { seed, sizeBytes: 10_240 } });
  const files = Object.fromEntries(names.map((name) => [name, generated(name)]));
  const hub = await startEmulator({ kind: 'huggingface', repos: [{ id: REPO, revisions: { main: files } }] });
  context.after(() => hub.stop());
  const { peers } = await cluster(context, hub, { peers: 2 });
  const results = await Promise.all(peers.map((peer) => getThrough(peer, hub).result));
  for (const [at, result] of results.entries()) await assertDelivered(result, peers[at]?.output ?? '');
  const [peer] = peers;
  assert.ok(peer);
  assert.equal((await statusOf(peer)).swarms[0]?.pieceCount, 10);
  const stats = await hub.stats();
  assert.equal(stats.contentBytesSent, 1_000 * 10_240);
  assert.ok(stats.requests <= 1_010, `${stats.requests} requests`);
});
