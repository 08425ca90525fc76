// Limits on a host's traffic, with real processes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertDelivered, cluster, getThrough, MiB, modelHub } from './support.ts';

test('daemons with limits on both directions deliver, and no faster than they may', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 6, shards: 1 });
  const daemonArgs = ['--upload-rate', '4MiB', '--download-rate', '4MiB'];
  const { peers } = await cluster(context, hub, { peers: 2, daemonArgs });
  const beganAtMs = performance.now();
  const results = await Promise.all(peers.map((peer) => getThrough(peer, hub).result));
  const seconds = (performance.now() - beganAtMs) / 1000;
  for (const [at, result] of results.entries()) await assertDelivered(result, peers[at]?.output ?? '');
  // A tenth of a second's bytes may pass at once.
  assert.ok(seconds >= (6 * MiB) / (4 * MiB) - 0.1, `${seconds} s`);
});
