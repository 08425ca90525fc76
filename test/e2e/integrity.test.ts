// Wrong content, wherever it comes from (a peer that lies, an origin, a disk), gets nowhere.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../src/core/index.ts';
import type { DaemonNode, DfgetResult } from '../../src/testing/cluster/index.ts';
import { type LieName, startLyingPeer } from '../../src/testing/lying-peer/index.ts';
import {
  assertDelivered,
  cluster,
  contentBytes,
  damageOnDisk,
  getThrough,
  listedFiles,
  MiB,
  modelHub,
  REPO,
  statusOf,
  temporaryFolder,
} from './support.ts';

const PEERS = 3;
/**
 * What one peer has asked for when it finds the first lie, at most: five pieces at once and those that are overdue, and
 * the small files. A busy machine finds it late. Who goes on asking comes to all 57 pieces.
 */
const UNDER_WAY = 24;

const LIES: readonly { readonly lie: LieName; readonly complaint: string; readonly asked: number }[] = [
  { lie: 'wrong byte', complaint: 'peer served wrong bytes', asked: UNDER_WAY },
  { lie: 'other piece', complaint: 'peer served wrong bytes', asked: UNDER_WAY },
  // Who signed may be a reader that this host has not heard of: it is asked again, ever more rarely.
  { lie: 'forged proof', complaint: 'peer served unproven bytes', asked: 1.5 * UNDER_WAY },
];

function complaints(node: DaemonNode, message: string, peer: string): number {
  const lines = node.service.log.split('\n').filter((line) => line.includes(message));
  return lines
    .map((line) => JSON.parse(line))
    .filter((entry) => entry.level === 'warn' && entry.peer === peer).length;
}

for (const { lie, complaint, asked } of LIES) {
  test(`a peer that lies (${lie}) harms nobody, is named, and is not asked again`, async (context) => {
    const hub = await modelHub(context, { sizeMiB: 48 });
    const { peers, scheduler } = await cluster(context, hub, { peers: PEERS });
    const folder = await temporaryFolder(context);
    const liar = await startLyingPeer({ folder, lie, schedulerPort: scheduler.port, hubUrl: hub.url });
    context.after(() => liar.stop());
    await liar.download(`hf://${REPO}`);
    liar.startLying();
    const results = await Promise.all(peers.map((peer) => getThrough(peer, hub).result));
    for (const [at, result] of results.entries()) await assertDelivered(result, peers[at]?.output ?? '');
    const [first] = results;
    assert.ok(first);
    assert.equal((await hub.stats()).contentBytesSent, contentBytes(first));
    const named = peers.map((peer) => complaints(peer, complaint, liar.peerId));
    context.diagnostic(`pieces served: ${liar.served}, complaints: ${named.join(' ')}`);
    // A peer may have got everything from others before it came to ask the liar.
    assert.ok(
      named.some((count) => count >= 1),
      'who was lied to says by whom',
    );
    assert.ok(liar.served >= 1 && liar.served <= PEERS * asked, `${liar.served} pieces were asked for`);
  });
}

test('who alone has a model and serves it wrong is passed over: another reads it from the origin', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 24 });
  const { peers, scheduler } = await cluster(context, hub, { peers: 2, seeds: 0 });
  const folder = await temporaryFolder(context);
  const { port: schedulerPort } = scheduler;
  const liar = await startLyingPeer({ folder, lie: 'wrong byte', schedulerPort, hubUrl: hub.url });
  context.after(() => liar.stop());
  await liar.download(`hf://${REPO}`);
  liar.startLying();
  const results = await Promise.all(peers.map((peer) => getThrough(peer, hub, '--timeout', '120s').result));
  for (const [at, result] of results.entries()) await assertDelivered(result, peers[at]?.output ?? '');
  const [first] = results;
  assert.ok(first);
  assert.equal((await hub.stats()).contentBytesSent, 2 * contentBytes(first));
  assert.ok(scheduler.service.log.includes('peer condemned'));
});

const BAD_FILE = 'model-00002-of-00004.safetensors';

async function storedFiles(node: DaemonNode): Promise<string[]> {
  return readdir(join(node.cacheDir, 'store'), { recursive: true });
}

function assertRefused(result: DfgetResult, expected: string): void {
  assert.equal(result.exitCode, 8, result.stderr);
  const failed = result.lines.filter((line) => line.kind === 'file_failed');
  assert.deepEqual(
    failed.map(({ path, error }) => ({ path, code: error.code })),
    [{ path: BAD_FILE, code: 'digest_mismatch' }],
  );
  const { details } = failed[0]?.error ?? {};
  assert.equal(details?.['file'], BAD_FILE);
  assert.equal(details?.['expected'], expected);
  assert.match(String(details?.['actual']), /^sha256:[0-9a-f]{64}$/u);
  assert.notEqual(details?.['actual'], expected);
}

for (const name of ['branch', 'commit'] as const) {
  test(`one wrong byte from the origin: no peer puts out the file, all name it; once healed the ${name} is delivered`, async (context) => {
    const hub = await modelHub(context, { sizeMiB: 24 });
    await hub.addFault({ kind: 'corrupt', atByte: 3 * MiB + 5, match: { path: BAD_FILE } });
    const { peers, seeds } = await cluster(context, hub, { peers: 3 });
    const results = await Promise.all(peers.map((peer) => getThrough(peer, hub).result));
    const files = results
      .flatMap((result) => listedFiles(result))
      .slice(0, listedFiles(results[0] ?? assert.fail()).length);
    const bad = files.find(({ path }) => path === BAD_FILE);
    assert.ok(bad);
    for (const [at, peer] of peers.entries()) {
      const result = results[at];
      assert.ok(result);
      assertRefused(result, bad.digest);
      assert.deepEqual(
        (await readdir(peer.output)).toSorted(),
        files.map(({ path }) => path).filter((path) => path !== BAD_FILE),
      );
    }
    const hex = bad.digest.slice('sha256:'.length);
    for (const node of [...peers, ...seeds]) {
      const kept = (await storedFiles(node)).filter((path) => path.includes(hex));
      assert.deepEqual(kept, [], `${node.name} kept something of the wrong file`);
    }
    await hub.clearFaults();
    const revision = name === 'branch' ? 'main' : (hub.repos[REPO]?.['main'] ?? '');
    for (const peer of peers) {
      const result = await getThrough(peer, hub, '--revision', revision).result;
      await assertDelivered(result, peer.output);
    }
  });
}

for (const seedLives of [true, false]) {
  const others = seedLives ? 'and a seed that has it' : 'and nobody else who has it';
  test(`a byte that changed on the disk of a peer ${others}: nobody gets it, the peer has it mended`, async (context) => {
    const hub = await modelHub(context, { sizeMiB: 24 });
    const { peers, seeds } = await cluster(context, hub, { peers: 2 });
    const [damaged, other] = peers;
    const [seed] = seeds;
    assert.ok(damaged && other && seed);
    await assertDelivered(await getThrough(damaged, hub).result, damaged.output);
    await damageOnDisk(damaged, 'flip');
    if (!seedLives) await seed.stop();
    await assertDelivered(await getThrough(other, hub, '--timeout', '60s').result, other.output);
    assert.ok(!other.service.log.includes('peer served wrong bytes'));
    const again = await getThrough(damaged, hub, '--overwrite', '--timeout', '60s').result;
    await assertDelivered(again, damaged.output);
  });
}

test('a peer that is killed ten times during one download has it in the end, and the origin is read once', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 64, totalBytesPerSecond: 5 * MiB });
  const { peers } = await cluster(context, hub, { peers: 2 });
  const [victim, other] = peers;
  assert.ok(victim && other);
  const seed = Date.now() % 100_000;
  context.diagnostic(`chance from ${seed}`);
  const random = seededRandom(seed);
  const steady = getThrough(other, hub);
  for (let kill = 0; kill < 10; kill += 1) {
    const doomed = getThrough(victim, hub);
    await sleep(100 + random() * 900);
    await victim.kill();
    await doomed.result;
    await victim.start();
  }
  const { cache } = await statusOf(victim);
  context.diagnostic(`held after ten kills: ${cache.heldBytes}`);
  const last = await getThrough(victim, hub).result;
  await assertDelivered(last, victim.output);
  await assertDelivered(await steady.result, other.output);
  assert.equal((await hub.stats()).contentBytesSent, contentBytes(last));
});
