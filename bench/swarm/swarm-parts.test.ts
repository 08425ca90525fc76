import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { MiB } from '../../src/core/index.ts';
import { boundSeconds, quantile } from './bound.ts';
import { FaultPlan } from './fault-plan.ts';
import { peerPlans } from './in-process.ts';
import { inProcessObject, inProcessTable } from './in-process-report.ts';
import { leftNames, RUN_PREFIX } from './leftovers.ts';
import { cutCommand, droppedPackets } from './network-cut.ts';
import { addressOf, type NetworkPlan, setUpCommands, shaping } from './network-plan.ts';
import { toOptions } from './options.ts';
import type { Outcome } from './race.ts';
import { swarmObject, swarmPlot, swarmTable } from './report.ts';
import { infoHash } from './torrent.ts';

const DEFAULTS = {
  runs: '3',
  only: 'anax,star,aria2,libtorrent',
  zones: '1',
  workers: '0',
  'partition-for': '45',
};

test('the bound is that of Mundinger, Weber and Weiss', () => {
  const delivery = { sizeBytes: 128 * MiB, bitsPerSecond: 100e6 };
  const alone = (128 * MiB * 8) / 100e6;
  const close = (actual: number, expected: number): void => assert.ok(Math.abs(actual - expected) < 1e-9);
  close(boundSeconds({ ...delivery, peers: 1 }), alone);
  close(boundSeconds({ ...delivery, peers: 16 }), alone * (1 + 4 / 128));
  close(boundSeconds({ ...delivery, peers: 31 }), alone * (1 + 4 / 128));
});

test('a quantile is one of the values, whatever their order', () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([3, 1, 2], 0.99), 3);
  assert.equal(quantile([5], 0.01), 5);
});

const PLAN: NetworkPlan = {
  prefix: 'anax-swarm-1',
  hosts: [
    { name: 'seed', zone: 1 },
    { name: 'peer-1', zone: 2 },
  ],
  zones: 2,
  bitsPerSecond: 100e6,
};

test('each link is shaped at both of its ends', () => {
  const shaped = setUpCommands(PLAN).filter(([command]) => command === 'tc');
  const ends = shaped.map(([, , namespace, , , , device]) => `${namespace} ${device}`);
  assert.deepEqual(ends, [
    'anax-swarm-1-seed eth0',
    'anax-swarm-1-switch h1',
    'anax-swarm-1-peer-1 eth0',
    'anax-swarm-1-switch h2',
  ]);
  for (const command of shaped) assert.ok(command.join(' ').includes('rate 100000000bit'));
});

test('nothing is made in the namespace of the machine', () => {
  for (const command of setUpCommands(PLAN)) {
    const text = command.join(' ');
    const isInside = / -n anax-swarm-1-/u.test(text) || text.includes('netns anax-swarm-1-');
    assert.ok(isInside || text.startsWith('ip netns add anax-swarm-1-'), text);
  }
});

test('zones are bridges of their own, joined by links whose bytes are counted', () => {
  const text = setUpCommands(PLAN).map((command) => command.join(' '));
  assert.ok(text.includes('ip -n anax-swarm-1-switch link set up2 master zone2 up'));
  const single = setUpCommands({ ...PLAN, zones: 1 }).map((command) => command.join(' '));
  assert.ok(!single.some((command) => command.includes('core')));
});

test('addresses tell the zone and differ', () => {
  assert.equal(addressOf(PLAN, 'seed'), '10.10.1.1');
  assert.equal(addressOf(PLAN, 'peer-1'), '10.10.2.2');
  assert.throws(() => addressOf(PLAN, 'peer-2'), /not in the network/u);
});

test('a bucket takes what TCP hands down at once, also on slow links', () => {
  const burst = (bits: number): number => Number(/burst (\d+)b/u.exec(shaping(bits).join(' '))?.[1]);
  assert.equal(burst(1e6), 32_768);
  assert.equal(burst(100e6), 125_000);
});

test('options are read, and wrong ones explained', () => {
  const read = toOptions({ ...DEFAULTS, rate: '25mbit', 'kill-seed-at': '50%', only: 'aria2,anax' });
  assert.equal(read.peers, 16);
  assert.equal(read.bitsPerSecond, 25e6);
  assert.equal(read.killSeedAt, 0.5);
  assert.deepEqual(read.only, ['anax', 'aria2']);
  assert.equal(toOptions({ ...DEFAULTS, 'in-process': true }).peers, 200);
  assert.equal(read.partition, undefined);
  const cut = { 'partition-at': '50%', 'partition-for': '20', 'partition-with': 'scheduler,seed' };
  assert.deepEqual(toOptions({ ...DEFAULTS, ...cut }).partition, {
    at: 0.5,
    forMs: 20_000,
    peers: 8,
    services: ['seed', 'scheduler'],
  });
  const wrong: [Record<string, string>, RegExp][] = [
    [{ rate: '100' }, /--rate/u],
    [{ only: 'anax,torrent' }, /not torrent/u],
    [{ 'kill-seed-at': '0.5' }, /--kill-seed-at/u],
    [{ peers: '0' }, /--peers/u],
    [{ size: '1.5MiB' }, /--size/u],
    [{ 'partition-at': '50%', 'partition-for': '0' }, /--partition-for/u],
    [{ 'partition-at': '50%', 'partition-for': '9', 'partition-peers': '16' }, /--partition-peers/u],
    [{ 'partition-at': '50%', 'partition-for': '9', 'partition-with': 'origin' }, /not origin/u],
  ];
  for (const [flags, message] of wrong) assert.throws(() => toOptions({ ...DEFAULTS, ...flags }), message);
});

/** A plan whose faults are noted in place of carried out. */
function notedFaults(flags: Record<string, string>): { plan: FaultPlan; done: string[] } {
  const done: string[] = [];
  const note = (name: string) => async (): Promise<void> => void done.push(name);
  const plan = new FaultPlan(
    { options: toOptions({ ...DEFAULTS, peers: '2', size: '1MiB', ...flags }), say: () => undefined },
    {
      killSeed: note('seed'),
      killScheduler: note('scheduler'),
      cut: note('cut'),
      heal: async () => done.push('heal'),
    },
  );
  return { plan, done };
}

test('a fault comes once, when the peers have so much on average', () => {
  const { plan, done } = notedFaults({ 'kill-seed-at': '50%' });
  plan.progress('peer-1', MiB - 1);
  assert.deepEqual(done, []);
  plan.progress('peer-2', 1);
  plan.progress('peer-2', MiB);
  assert.deepEqual(done, ['seed']);
});

test('a network that was cut is whole when the delivery has ended, and only then where that is soon', async () => {
  const { plan, done } = notedFaults({ 'partition-at': '50%', 'partition-for': '600' });
  plan.progress('peer-1', MiB);
  await plan.end();
  assert.deepEqual(done, ['cut', 'heal']);
  assert.ok(plan.healedAtMs !== undefined);
  await plan.end();
  assert.deepEqual(done, ['cut', 'heal']);
});

test('a network is cut for as long as was asked for', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { plan, done } = notedFaults({ 'partition-at': '0%', 'partition-for': '20' });
  plan.progress('peer-1', 0);
  await Promise.resolve();
  await Promise.resolve();
  t.mock.timers.tick(19_999);
  assert.deepEqual(done, ['cut']);
  t.mock.timers.tick(1);
  assert.deepEqual(done, ['cut', 'heal']);
});

test('a network that was never cut is not healed', async () => {
  const { plan, done } = notedFaults({ 'partition-at': '50%' });
  await plan.end();
  plan.progress('peer-1', MiB);
  assert.deepEqual(done, []);
  assert.equal(plan.healedAtMs, undefined);
});

test('a cut drops both directions between its sides and nothing else', () => {
  const [command, script = ''] = cutCommand({ near: ['10.10.1.3', '10.10.1.4'], far: ['10.10.1.5'] });
  assert.equal(command, 'nft');
  assert.match(script, /set near \{ type ipv4_addr; elements = \{ 10\.10\.1\.3, 10\.10\.1\.4 \}; \}/u);
  const rules = script.split('\n').filter((line) => line.includes('drop'));
  assert.deepEqual(rules, [
    'ip saddr @near ip daddr @far counter drop',
    'ip saddr @far ip daddr @near counter drop',
  ]);
  assert.equal(droppedPackets('counter packets 12 bytes 3 drop\ncounter packets 30 bytes 1 drop'), 42);
});

test('only what no running bench has made is left over', async () => {
  const names = [
    `${RUN_PREFIX}-seed`,
    'anax-swarm-4194305-peer-1',
    'anax-warm-4194305',
    'anax-bench-x',
    'other',
  ];
  // This process is a test, no bench.
  assert.deepEqual(await leftNames(names), names.slice(0, 3));
  assert.deepEqual(await leftNames(['anax-swarm-', 'my-anax-swarm-1-x']), []);
});

test("the info hash is that of the torrent's last field", () => {
  const info = 'd6:lengthi1e4:name1:ae';
  const torrent = Buffer.from(`d8:announce9:http://t/4:info${info}e`);
  assert.equal(infoHash(torrent), createHash('sha1').update(info).digest('hex'));
});

function outcome(finishSeconds: readonly number[]): Outcome {
  return {
    finishSeconds,
    seedBytesRatio: 1.06,
    peerBytesRatio: 1.05,
    crossZoneRatio: 0,
    cpuSecondsPerGiB: 2,
    peakRssMiB: 100,
    resolvedSeconds: 0.1,
    originBytesRatio: 1,
    originRequests: 3,
    afterHealSeconds: undefined,
  };
}

test('the report has medians, ratios to the bound and the spread', () => {
  const options = toOptions({ ...DEFAULTS, peers: '2' });
  const runs = [outcome([11, 12]), outcome([11, 14]), outcome([11, 13])];
  const rival = { ...outcome([20, 30]), originBytesRatio: undefined, originRequests: undefined };
  const outcomes = new Map([
    ['anax', runs],
    ['star', [rival]],
  ] as const);
  const figures = { options, machine: 'a machine', outcomes, leftOut: ['aria2: not there'] };
  const object = swarmObject(figures) as Record<string, Record<string, unknown>>;
  assert.equal(object['anax']?.['makespanSeconds'], 13);
  assert.equal(object['anax']?.['ratioToBound'], Number((13 / boundSeconds(options)).toFixed(3)));
  assert.deepEqual(object['anax']?.['makespanSpread'], { min: 12, max: 14 });
  assert.equal(object['anax']?.['originRequests'], 3);
  assert.ok(!('originRequests' in (object['star'] ?? {})));
  assert.deepEqual(object['leftOut'], ['aria2: not there']);
  assert.match(swarmTable(figures), /^anax +13\.00 \(12\.00–14\.00\)/mu);
  assert.match(swarmPlot(figures), /<svg[^]*star/u);
  assert.doesNotMatch(swarmTable(figures), /after the cut/u);
});

test('peers in one process have an address each, and the seed is one of them', () => {
  const plans = peerPlans(300, '/tmp/x');
  assert.equal(new Set(plans.map(({ address }) => address)).size, 301);
  assert.ok(plans.every(({ address }) => /^127\.0\.[12]\.(?:[1-9]\d?|1\d\d|2[0-4]\d|250)$/u.test(address)));
  assert.deepEqual(
    plans.filter(({ role }) => role === 'seed').map(({ name }) => name),
    ['seed'],
  );
});

test('many peers are held against one alone, run by run', () => {
  const options = toOptions({ ...DEFAULTS, peers: '2', 'in-process': true });
  const many = (finishSeconds: readonly number[]) => ({
    peers: finishSeconds.length,
    finishSeconds,
    originBytesRatio: 1,
    originRequests: 4,
    cpuSeconds: 2,
    peakRssMiB: 300,
  });
  const figures = {
    options,
    machine: 'a machine',
    alone: [many([10]), many([20])],
    together: [many([10, 12]), many([21, 22])],
  };
  const { anax } = inProcessObject(figures) as Record<'anax', Record<string, unknown>>;
  assert.equal(anax['oneAloneSeconds'], 15);
  assert.equal(anax['ratioToOneAlone'], 1.15);
  assert.deepEqual(anax['ratioToOneAloneSpread'], { min: 1.1, max: 1.2 });
  assert.match(inProcessTable(figures), /T\(2\)\/T\(1\): 1\.150/u);
});
