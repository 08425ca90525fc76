// A hub that asks one reader to slow down is left alone by the whole cluster until it may be asked again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OriginWait } from '../../src/rpc/index.ts';
import type { DaemonNode } from '../../src/testing/cluster/index.ts';
import { anax, assertDelivered, cluster, getThrough, MiB, modelHub, statusOf } from './support.ts';

const WAIT_SECONDS = 8;
/** What the word takes to the other seed, and requests that were on their way. */
const SETTLE_MS = 2_000;

test('a 429 with Retry-After to one seed holds all origin reads back, and the download finishes', async (context) => {
  // Some 8 s and 48 requests: both seeds are in the middle when the hub refuses one of them.
  const hub = await modelHub(context, { sizeMiB: 192, shards: 48, totalBytesPerSecond: 24 * MiB });
  const { peers, seeds } = await cluster(context, hub, { peers: 1, seeds: 2 });
  const [peer] = peers;
  assert.ok(peer);
  const { result } = getThrough(peer, hub);
  for (const seed of seeds) await until(seed, ({ totals }) => totals.bytesFromOrigin > 0);
  const headers = { 'retry-after': String(WAIT_SECONDS) };
  await hub.addFault({ kind: 'status', status: 429, headers, times: 1, match: { path: 'safetensors' } });

  for (const seed of seeds) {
    const { originWaits } = await until(seed, (status) => status.originWaits.length > 0);
    assert.deepEqual(
      originWaits.map(({ origin }: OriginWait) => origin),
      [new URL(hub.url).host],
    );
    const [shown] = (await anax(seed, 'status')).lines as { originWaits: OriginWait[] }[];
    assert.ok((shown?.originWaits[0]?.waitMs ?? 0) <= WAIT_SECONDS * 1000);
  }
  await assertDelivered(await result, peer.output);

  const requests = await hub.requests();
  const refused = requests.find(({ status }) => status === 429);
  assert.ok(refused);
  const sinceMs = requests.map(({ startedAt }) => startedAt - refused.startedAt);
  const early = sinceMs.filter((ms) => ms > SETTLE_MS && ms < WAIT_SECONDS * 1000);
  assert.deepEqual(early, [], 'requests while the hub was to be left alone');
  assert.ok(
    sinceMs.some((ms) => ms >= WAIT_SECONDS * 1000),
    'nothing was left to read after the wait',
  );
});

type Status = Awaited<ReturnType<typeof statusOf>>;

/** Polls the daemon's status until it is so. */
async function until(node: DaemonNode, isSo: (status: Status) => boolean): Promise<Status> {
  const deadlineMs = performance.now() + 30_000;
  while (performance.now() < deadlineMs) {
    const status = await statusOf(node);
    if (isSo(status)) return status;
    await sleep(25);
  }
  return assert.fail(`${node.name} did not come to it`);
}
