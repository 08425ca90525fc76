// A hundred snapshots at once between two hosts, over real links, with a real scheduler: one link, a hundred swarms.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KiB, MiB } from '../core/index.ts';
import {
  type Repository,
  repositoryOf,
  startHost,
  startTestScheduler,
  type TestHost,
} from './cluster-harness.ts';

const SNAPSHOTS = 100;
/** Too large for a pack. */
const FILE_BYTES = 300 * KiB;

function fetchAll({ fetch }: TestHost, repositories: readonly Repository[]): Promise<unknown> {
  return Promise.all(repositories.map((repository) => fetch(repository)));
}

test('a hundred snapshots at once: one host reads each once, the other gets all from it', async (context) => {
  const { url } = await startTestScheduler(context);
  const repositories = Array.from({ length: SNAPSHOTS }, (_, at) =>
    repositoryOf({ 'model.bin': Buffer.alloc(FILE_BYTES, `repository ${at} `) }),
  );
  const seed = await startHost(context, url, { role: 'seed', repositories });
  const peer = await startHost(context, url, { repositories });
  await fetchAll(seed, repositories);
  await fetchAll(peer, repositories);
  assert.deepEqual(seed.sessions.totals(), { fromPeers: 0, fromOrigin: SNAPSHOTS * FILE_BYTES });
  assert.deepEqual(peer.sessions.totals(), { fromPeers: SNAPSHOTS * FILE_BYTES, fromOrigin: 0 });
  assert.deepEqual(
    repositories.map(({ source }) => source.ranges.length),
    repositories.map(() => 1),
  );
});

test('a hundred snapshots at once that share a file each with one that another host has', async (context) => {
  const { url } = await startTestScheduler(context);
  const shared = Array.from({ length: SNAPSHOTS }, (_, at) => Buffer.alloc(MiB, `shared ${at} `));
  const first = shared.map((bytes) => repositoryOf({ 'model.bin': bytes }));
  const second = shared.map((bytes, at) =>
    repositoryOf({ 'weights.bin': bytes, 'own.bin': Buffer.alloc(FILE_BYTES, `own ${at} `) }),
  );
  const holder = await startHost(context, url, { repositories: first });
  const reader = await startHost(context, url, { repositories: second });
  await fetchAll(holder, first);
  await holder.tellBlobs();
  await fetchAll(reader, second);
  const totals = { fromPeers: SNAPSHOTS * MiB, fromOrigin: SNAPSHOTS * FILE_BYTES };
  assert.deepEqual(reader.sessions.totals(), totals);
});

test('a hundred snapshots at once that all have one file: it is read once', async (context) => {
  const { url } = await startTestScheduler(context);
  const shared = Buffer.alloc(2 * MiB, 'shared ');
  const repositories = Array.from({ length: SNAPSHOTS }, (_, at) =>
    repositoryOf({ 'weights.bin': shared, 'own.bin': Buffer.alloc(FILE_BYTES, `own ${at} `) }),
  );
  const host = await startHost(context, url, { repositories });
  await fetchAll(host, repositories);
  const fromOrigin = 2 * MiB + SNAPSHOTS * FILE_BYTES;
  assert.deepEqual(host.sessions.totals(), { fromPeers: 0, fromOrigin });
});
