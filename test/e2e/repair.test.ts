// Damage in a daemon's cache, behind its back: it is found, nobody else is harmed, and it is mended from whoever has the
// content.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VerifyEvent } from '../../src/rpc/index.ts';
import type { DaemonNode } from '../../src/testing/cluster/index.ts';
import {
  anax,
  assertDelivered,
  cluster,
  contentBytes,
  damageOnDisk,
  getThrough,
  MiB,
  modelHub,
  statusOf,
} from './support.ts';

function warnings(node: DaemonNode): string[] {
  return node.service.log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { level: string; message: string })
    .filter(({ level }) => level === 'warn')
    .map(({ message }) => message);
}

for (const seedLives of [true, false]) {
  const others = seedLives ? 'a seed has it as well' : 'nobody else has it';
  test(`a byte that rots in a peer's cache is found by who gets it, and mended; ${others}`, async (context) => {
    const hub = await modelHub(context, { sizeMiB: 24 });
    const { peers, seeds } = await cluster(context, hub, { peers: 2 });
    const [rotten, other] = peers;
    const [seed] = seeds;
    assert.ok(rotten && other && seed);
    const first = await getThrough(rotten, hub).result;
    await assertDelivered(first, rotten.output);
    await hub.reset();
    await damageOnDisk(rotten, 'rot');
    if (!seedLives) await seed.stop();
    const result = await getThrough(other, hub, '--timeout', '60s').result;
    await assertDelivered(result, other.output);
    // One piece is read again where nobody has it; the honest peer is asked for all others.
    const read = (await hub.stats()).contentBytesSent;
    assert.equal(read, seedLives ? 0 : MiB);
    if (seedLives) return;
    assert.ok(warnings(rotten).includes('the cache was damaged'));
    assert.ok(warnings(other).includes('peer served wrong bytes'));
    const { lines, code } = await anax(rotten, 'verify');
    assert.equal(code, 0, JSON.stringify(lines));
    assert.ok((await statusOf(other)).totals.bytesFromPeers >= contentBytes(result) - read);
  });
}

for (const how of ['rot', 'truncate'] as const) {
  test(`verify finds what is damaged (${how}), has just that fetched from peers, and says so`, async (context) => {
    const hub = await modelHub(context, { sizeMiB: 24 });
    const { peers } = await cluster(context, hub, { peers: 2 });
    const [damaged, other] = peers;
    assert.ok(damaged && other);
    const results = await Promise.all(peers.map((peer) => getThrough(peer, hub).result));
    for (const [at, result] of results.entries()) await assertDelivered(result, peers[at]?.output ?? '');
    await hub.reset();
    await damageOnDisk(damaged, how);
    const { code, lines } = await anax(damaged, 'verify', '--rate', '1GiB');
    assert.equal(code, 8);
    const events = lines as VerifyEvent[];
    const bad = events.filter((event) => event.kind === 'blob').filter(({ good }) => !good);
    assert.equal(bad.length, 1);
    const { digest, badPieces } = bad[0] ?? assert.fail();
    if (how === 'rot') assert.equal(badPieces, 1);
    const repairs = events.filter((event) => event.kind === 'repair');
    assert.deepEqual(repairs, [
      { kind: 'repair', digest, ok: true, bytesFromPeers: badPieces * MiB, bytesFromOrigin: 0 },
    ]);
    const done = events.at(-1);
    assert.ok(done?.kind === 'done');
    assert.deepEqual([done.badBlobs, done.repairedBlobs], [1, 1]);
    assert.ok(warnings(damaged).includes('the cache was damaged'));
    assert.match(damaged.service.log, /a damaged blob is whole again/u);
    assert.equal((await anax(damaged, 'verify', '--rate', '1GiB')).code, 0);
    assert.equal((await hub.stats()).contentBytesSent, 0);
    assert.deepEqual(warnings(other), []);
    // The output that is linked to a rotten blob is whole again, too.
    if (how === 'rot') await assertDelivered(results[0] ?? assert.fail(), damaged.output);
  });
}
