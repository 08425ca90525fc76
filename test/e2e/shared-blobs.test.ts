// One file in two repositories: the host that delivers the second gets it from a host that has the first.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSchedulerClient } from '../../src/rpc/index.ts';
import {
  type Cluster,
  type DaemonNode,
  type DfgetRun,
  type Emulator,
  startDfget,
  startEmulator,
} from '../../src/testing/cluster/index.ts';
import { assertDelivered, cluster, MiB, statusOf } from './support.ts';

const SHARED_MIB = 24;
const OWN_MIB = 2;
const OPEN = 'acme/base';
const GATED = 'other/gated';
const PUBLIC = 'other/copy';
/** Another gated repository with the same file. */
const COPY = 'other/gated-again';

const file = (seed: string, sizeMiB: number) => ({ generated: { seed, sizeBytes: sizeMiB * MiB } });

async function twoRepositories(context: TestContext): Promise<Emulator> {
  const weights = file('shared', SHARED_MIB);
  const emulator = await startEmulator({
    repos: [
      { id: OPEN, revisions: { main: { 'weights.bin': weights, 'a.bin': file('a', OWN_MIB) } } },
      { id: PUBLIC, revisions: { main: { 'moved/model.bin': weights, 'b.bin': file('b', OWN_MIB) } } },
      { id: GATED, gated: 'manual', revisions: { main: { 'model.bin': weights } } },
      {
        id: COPY,
        gated: 'manual',
        revisions: { main: { 'model.bin': weights, 'c.bin': file('c', OWN_MIB) } },
      },
    ],
    tokens: { hf_in: { grants: [GATED, COPY] }, hf_out: {} },
  });
  context.after(() => emulator.stop());
  return emulator;
}

function get(peer: DaemonNode, hub: Emulator, repo: string, token?: string): DfgetRun {
  return startDfget([`hf://${repo}`, '-O', `${peer.output}/${repo}`, '--endpoint', peer.socket], {
    env: { HF_ENDPOINT: hub.url, ...(token !== undefined && { HF_TOKEN: token }) },
  });
}

/** Waits until a host has told its scheduler of a blob; under the hub, and for a public one as public. */
async function told({ scheduler }: Cluster, keys: number): Promise<void> {
  const client = createSchedulerClient(`http://127.0.0.1:${scheduler.port}`);
  const signal = AbortSignal.timeout(20_000);
  try {
    for (;;) {
      const { peers } = await client.status(signal);
      if (peers.some(({ blobKeys }) => blobKeys === keys)) return;
      await sleep(50, undefined, { signal });
    }
  } finally {
    client.close();
  }
}

/** One host has the first repository, and the scheduler knows it. */
async function holderAndReader(
  context: TestContext,
  hub: Emulator,
  peerArgs: readonly string[] = [],
): Promise<{ holder: DaemonNode; reader: DaemonNode }> {
  const started = await cluster(context, hub, { peers: 2, seeds: 0, peerArgs });
  const [holder, reader] = started.peers;
  assert.ok(holder && reader);
  await assertDelivered(await get(holder, hub, OPEN).result, `${holder.output}/${OPEN}`);
  assert.equal((await hub.stats()).contentBytesSent, (SHARED_MIB + OWN_MIB) * MiB);
  await told(started, 4);
  await hub.reset();
  return { holder, reader };
}

/** Waits until a host has got so much from others; how many bytes it is by then. */
async function borrowed(node: DaemonNode, atLeastMiB: number): Promise<number> {
  const deadline = AbortSignal.timeout(60_000);
  for (;;) {
    const { bytesFromPeers } = (await statusOf(node)).totals;
    if (bytesFromPeers >= atLeastMiB * MiB) return bytesFromPeers;
    await sleep(25, undefined, { signal: deadline });
  }
}

test('a file that another host has by way of another repository is not read from the hub again', async (context) => {
  const hub = await twoRepositories(context);
  const { reader } = await holderAndReader(context, hub);
  await assertDelivered(await get(reader, hub, PUBLIC).result, `${reader.output}/${PUBLIC}`);
  assert.equal((await hub.stats()).contentBytesSent, OWN_MIB * MiB);
  assert.equal((await statusOf(reader)).totals.bytesFromPeers, SHARED_MIB * MiB);
});

test('a file of a gated repository goes to whom the hub lets into a repository with it, and to nobody else', async (context) => {
  const hub = await twoRepositories(context);
  const started = await cluster(context, hub, { peers: 3, seeds: 0 });
  const [holder, allowed, refused] = started.peers;
  assert.ok(holder && allowed && refused);
  await assertDelivered(await get(holder, hub, GATED, 'hf_in').result, `${holder.output}/${GATED}`);
  await told(started, 1);
  await hub.reset();
  await assertDelivered(await get(allowed, hub, COPY, 'hf_in').result, `${allowed.output}/${COPY}`);
  assert.equal((await hub.stats()).contentBytesSent, OWN_MIB * MiB);
  assert.equal((await statusOf(allowed)).totals.bytesFromPeers, SHARED_MIB * MiB);
  const denied = await get(refused, hub, COPY, 'hf_out').result;
  assert.notEqual(denied.exitCode, 0);
  assert.match(denied.stderr, /gated/iu);
  const { totals } = await statusOf(refused);
  assert.deepEqual([totals.bytesFromPeers, totals.bytesFromOrigin], [0, 0]);
});

/** Slow enough to be met in the middle: the shared file takes three seconds. */
const SLOWLY = ['--upload-rate', '8MiB'];

test('a reader that is killed while it borrows goes on where it was, and reads none of it from the hub', async (context) => {
  const hub = await twoRepositories(context);
  const { holder, reader } = await holderAndReader(context, hub, SLOWLY);
  const interrupted = get(reader, hub, PUBLIC);
  const before = await borrowed(reader, SHARED_MIB / 3);
  await reader.kill();
  await interrupted.result;
  await reader.start();
  await assertDelivered(await get(reader, hub, PUBLIC).result, `${reader.output}/${PUBLIC}`);
  const { totals } = await statusOf(reader);
  context.diagnostic(`${before} bytes before, ${totals.bytesFromPeers} after`);
  assert.ok(totals.bytesFromPeers < SHARED_MIB * MiB, 'what was borrowed before is still there');
  const { contentBytesSent } = await hub.stats();
  assert.ok(contentBytesSent <= 2 * OWN_MIB * MiB, `${contentBytesSent} bytes from the hub`);
  assert.ok((await statusOf(holder)).totals.bytesToPeers <= (SHARED_MIB + 4) * MiB);
});

test('where the holder is killed the reader reads what is missing from the hub', async (context) => {
  const hub = await twoRepositories(context);
  const { holder, reader } = await holderAndReader(context, hub, SLOWLY);
  const running = get(reader, hub, PUBLIC);
  const before = await borrowed(reader, SHARED_MIB / 3);
  await holder.kill();
  await assertDelivered(await running.result, `${reader.output}/${PUBLIC}`);
  const { contentBytesSent } = await hub.stats();
  context.diagnostic(`${before} bytes were borrowed, ${contentBytesSent} read`);
  assert.ok(contentBytesSent <= (SHARED_MIB + OWN_MIB) * MiB - before);
});
