// What a daemon keeps resident while a model goes through it: its share of a node that has better uses for memory.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { DaemonNode } from '../../src/testing/cluster/index.ts';
import { assertDelivered, cluster, contentBytes, getThrough, MiB, modelHub } from './support.ts';

const LIMIT_BYTES = 256 * MiB;
const MODEL_MIB = 2048;

/** Fields of `/proc/PID/status` that are sizes, in bytes. */
async function memoryOf({ service }: DaemonNode): Promise<Readonly<Record<string, number>>> {
  const text = await readFile(`/proc/${service.child.pid}/status`, 'utf8');
  const sizes = text.matchAll(/^(\w+):\s+(\d+) kB$/gmu);
  return Object.fromEntries(Array.from(sizes, ([, name, size]) => [name, Number(size) * 1024]));
}

/**
 * A release has no TypeScript to strip, which takes some 40 MiB: has the processes of this test find the sources
 * compiled by those of a first, small delivery.
 */
async function compileSources(context: TestContext): Promise<void> {
  const folder = join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'node-compile');
  process.env['NODE_COMPILE_CACHE'] ??= folder;
  const hub = await modelHub(context, { sizeMiB: 4, shards: 1 });
  const small = await cluster(context, hub, { peers: 1 });
  for (const peer of small.peers) await assertDelivered(await getThrough(peer, hub).result, peer.output);
  await small.stop();
}

test('two gigabytes go through a seed and a peer in 256 MiB each', async (context) => {
  if (process.platform !== 'linux') return context.skip('peak memory is read from /proc');
  await compileSources(context);
  const hub = await modelHub(context, { sizeMiB: MODEL_MIB, shards: 4 });
  const { peers, seeds } = await cluster(context, hub, { peers: 1 });
  const [peer] = peers;
  assert.ok(peer);
  const result = await getThrough(peer, hub).result;
  await assertDelivered(result, peer.output);
  context.diagnostic(`${result.seconds.toFixed(1)} s`);
  assert.equal(result.summary?.bytesFromPeers, contentBytes(result));
  const peaks: number[] = [];
  for (const node of [...seeds, peer]) {
    const { VmHWM = 0, RssAnon = 0, RssFile = 0 } = await memoryOf(node);
    const inMiB = (bytes: number): string => `${Math.round(bytes / MiB)} MiB`;
    context.diagnostic(
      `${node.name}: peak ${inMiB(VmHWM)}; now ${inMiB(RssAnon)} anonymous, ${inMiB(RssFile)} of files`,
    );
    peaks.push(VmHWM);
  }
  assert.ok(peaks.every((bytes) => bytes > 0 && bytes < LIMIT_BYTES));
});
