// Several seeds read one model: their bandwidth adds up, its bytes do not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertDelivered,
  cluster,
  contentBytes,
  getThrough,
  listedFiles,
  MiB,
  modelHub,
  statusOf,
} from './support.ts';

/** 192 MiB in some 6 s: long enough that sharing pays. */
const LARGE = { sizeMiB: 192, totalBytesPerSecond: 32 * MiB };

/** What the hub may have sent on a connection beyond what its reader took: buffers of the kernel on both sides. */
const AHEAD_BYTES = 6 * MiB;

test('two seeds share the reading of a model: each byte once, in few requests', async (context) => {
  const hub = await modelHub(context, LARGE);
  const { peers, seeds } = await cluster(context, hub, { peers: 2, seeds: 2 });
  const results = await Promise.all(peers.map((peer) => getThrough(peer, hub).result));
  for (const [at, result] of results.entries()) await assertDelivered(result, peers[at]?.output ?? '');
  const [first] = results;
  assert.ok(first);
  const total = contentBytes(first);
  const read = await Promise.all(seeds.map(async (seed) => (await statusOf(seed)).totals.bytesFromOrigin));
  context.diagnostic(`bytes read by each seed: ${read.join(', ')}`);
  for (const bytes of read) assert.ok(bytes >= total / 5, `a seed read ${bytes} of ${total} bytes`);
  const { contentBytesSent, requests } = await hub.stats();
  context.diagnostic(`${contentBytesSent} bytes, ${requests} requests`);
  // On a busy machine one seed may help the other out: the cut wastes what the hub had sent ahead on a connection.
  assert.ok(contentBytesSent <= total + AHEAD_BYTES, `${contentBytesSent - total} bytes too many`);
  const allowed = listedFiles(first).length + 10 * seeds.length;
  assert.ok(requests <= allowed, `${requests} requests, ${allowed} allowed`);
});
