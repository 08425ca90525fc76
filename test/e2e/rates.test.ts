// Rates of a daemon with several threads, changed while pieces move.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anax, assertDelivered, cluster, contentBytes, getThrough, modelHub, reached } from './support.ts';

test('a limit that is lifted while a download waits for it lets the download go on', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 8, shards: 1 });
  // At this rate it would take two hours.
  const daemonArgs = ['--workers', '2', '--upload-rate', '1KiB'];
  const { peers, seeds } = await cluster(context, hub, { peers: 1, daemonArgs });
  const [peer] = peers;
  const [seed] = seeds;
  assert.ok(peer && seed);
  const { result } = getThrough(peer, hub);
  await reached(seed, 1);
  const { lines: before } = await anax(seed, 'limits');
  assert.deepEqual(before, [{ uploadBytesPerSecond: 1024, downloadBytesPerSecond: 0 }]);
  const { code, lines: after } = await anax(seed, 'limits', '--upload-rate', '0');
  assert.equal(code, 0);
  assert.deepEqual(after, [{ uploadBytesPerSecond: 0, downloadBytesPerSecond: 0 }]);
  const delivered = await result;
  await assertDelivered(delivered, peer.output);
  assert.equal(delivered.summary?.bytesFromPeers, contentBytes(delivered));
});
