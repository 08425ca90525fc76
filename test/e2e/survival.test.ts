// What breaks half way: peers, the seed, the scheduler. The rest completes, and the origin is not read twice.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import {
  assertDelivered,
  cluster,
  contentBytes,
  getThrough,
  MiB,
  modelHub,
  reached,
  statusOf,
} from './support.ts';

/** Slow enough to be hit half way: 64 MiB in some 8 s. */
const SLOW = { sizeMiB: 64, totalBytesPerSecond: 8 * MiB };

/** What a lost reader may cost: pieces under way, and those it had read but not yet given on (see docs). */
const LEAD_BYTES = 32 * MiB;

test('a peer that was killed half way fetches only what it lacked', async (context) => {
  const hub = await modelHub(context, SLOW);
  const { peers } = await cluster(context, hub, { peers: 3 });
  const [victim, ...others] = peers;
  assert.ok(victim);
  const doomed = getThrough(victim, hub);
  const runs = others.map((peer) => getThrough(peer, hub));
  await reached(victim, 0.5);
  await victim.kill();
  assert.notEqual((await doomed.result).exitCode, 0);
  await victim.start();
  const again = await getThrough(victim, hub).result;
  await assertDelivered(again, victim.output);
  const { bytesFromCache = 0, bytesFromPeers = 0, bytesFromOrigin = 0 } = again.summary ?? {};
  const total = contentBytes(again);
  assert.ok(bytesFromCache >= 0.45 * total, `${bytesFromCache} of ${total} bytes were kept`);
  assert.equal(bytesFromOrigin, 0);
  assert.ok(bytesFromCache + bytesFromPeers <= total + 4 * MiB);
  for (const [at, run] of runs.entries()) await assertDelivered(await run.result, others[at]?.output ?? '');
  assert.equal((await hub.stats()).contentBytesSent, total);
});

test('the seed is killed half way: the peers complete, and read only what nobody has', async (context) => {
  const hub = await modelHub(context, SLOW);
  const { peers, seeds } = await cluster(context, hub, { peers: 4 });
  const [seed] = seeds;
  const [first] = peers;
  assert.ok(seed && first);
  const runs = peers.map((peer) => getThrough(peer, hub));
  await reached(first, 0.5);
  await seed.kill();
  const results = await Promise.all(runs.map((run) => run.result));
  for (const [at, result] of results.entries()) await assertDelivered(result, peers[at]?.output ?? '');
  const [result] = results;
  assert.ok(result);
  const { contentBytesSent } = await hub.stats();
  const extra = contentBytesSent - contentBytes(result);
  context.diagnostic(`bytes read again after the seed's death: ${extra}`);
  assert.ok(extra <= LEAD_BYTES, `${extra} bytes too many`);
});

test('the scheduler stops half way: downloads complete, nobody storms the origin, and it can come back', async (context) => {
  const hub = await modelHub(context, SLOW);
  const { peers, scheduler } = await cluster(context, hub, { peers: 4 });
  const [first] = peers;
  assert.ok(first);
  const runs = peers.map((peer) => getThrough(peer, hub));
  await reached(first, 0.4);
  await scheduler.stop();
  const results = await Promise.all(runs.map((run) => run.result));
  for (const [at, result] of results.entries()) await assertDelivered(result, peers[at]?.output ?? '');
  const [result] = results;
  assert.ok(result);
  assert.equal((await hub.stats()).contentBytesSent, contentBytes(result));
  await scheduler.start();
  const again = await getThrough(first, hub, '--overwrite').result;
  assert.equal(again.exitCode, 0, again.stderr);
  assert.equal((await hub.stats()).contentBytesSent, contentBytes(result));
});

test('scheduler and seed are killed half way: a peer is elected, and reads only what nobody has', async (context) => {
  const hub = await modelHub(context, SLOW);
  const { peers, seeds, scheduler } = await cluster(context, hub, { peers: 3 });
  const [seed] = seeds;
  const [first] = peers;
  assert.ok(seed && first);
  const runs = peers.map((peer) => getThrough(peer, hub));
  await reached(first, 0.5);
  await Promise.all([scheduler.service.kill(), seed.kill()]);
  const results = await Promise.all(runs.map((run) => run.result));
  for (const [at, result] of results.entries()) await assertDelivered(result, peers[at]?.output ?? '');
  const [result] = results;
  assert.ok(result);
  const { contentBytesSent } = await hub.stats();
  const extra = contentBytesSent - contentBytes(result);
  context.diagnostic(`bytes read again: ${extra}`);
  assert.ok(extra <= LEAD_BYTES, `${extra} bytes too many`);
  const elected = peers.filter(({ service }) => service.log.includes('elected to read the origin'));
  assert.equal(elected.length, 1);
});

test('a scheduler that lost its data: a peer that comes then still gets the model from the others', async (context) => {
  const hub = await modelHub(context, { sizeMiB: 16 });
  const { peers, scheduler } = await cluster(context, hub, { peers: 2 });
  const [first, second] = peers;
  assert.ok(first && second);
  await assertDelivered(await getThrough(first, hub).result, first.output);
  const { contentBytesSent } = await hub.stats();
  await scheduler.stop();
  await rm(scheduler.folder, { recursive: true });
  await scheduler.start();
  await assertDelivered(await getThrough(second, hub, '--timeout', '60s').result, second.output);
  assert.equal((await hub.stats()).contentBytesSent, contentBytesSent);
});

test('a daemon that is told to stop ends in time and keeps what it has', async (context) => {
  const hub = await modelHub(context, SLOW);
  const { peers } = await cluster(context, hub, { peers: 1, daemonArgs: ['--stop-wait', '1s'] });
  const [peer] = peers;
  assert.ok(peer);
  const run = getThrough(peer, hub);
  await reached(peer, 0.3);
  assert.equal(await peer.service.stop(), 0);
  assert.notEqual((await run.result).exitCode, 0);
  await peer.start();
  const { cache } = await statusOf(peer);
  assert.ok(cache.heldBytes >= 0.25 * SLOW.sizeMiB * MiB, `${cache.heldBytes} bytes were kept`);
});
