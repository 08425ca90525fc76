import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureJoins } from './joins.ts';
import { DEFAULT_SIM_OPTIONS, PIECE_BYTES, type SimOptions } from './options.ts';
import { plotCompletion } from './plot.ts';
import { simulate } from './simulate.ts';

/** No latency to speak of and a disk that takes no time, so that times can be reckoned by hand. */
const IDEAL: Partial<SimOptions> = {
  latencyMs: 0.001,
  zoneLatencyMs: 0.001,
  originLatencyMs: 0.001,
  arrivalMs: 0.001,
  diskBytesPerSecond: Number.MAX_SAFE_INTEGER,
};

/** What one piece takes over a link. */
const PIECE_SECONDS = PIECE_BYTES / DEFAULT_SIM_OPTIONS.linkBytesPerSecond;

function assertNear(actual: number, expected: number, tolerance = 0.02): void {
  assert.ok(Math.abs(actual - expected) <= expected * tolerance, `${actual}, where ${expected} is expected`);
}

test('one peer and one piece take a piece time from the origin and one from the seed', () => {
  const result = simulate({ ...IDEAL, peers: 1, pieces: 1 });
  assertNear(result.makespanSeconds, 2 * PIECE_SECONDS);
  assert.equal(result.originBytesRatio, 1);
  assert.equal(result.originRequests, 1);
  assert.equal(result.seedCopies, 1);
});

test('one peer gets many pieces a little after the seed has read them', () => {
  const result = simulate({ ...IDEAL, peers: 1, pieces: 64 });
  assertNear(result.makespanSeconds, 65 * PIECE_SECONDS, 0.05);
  assert.equal(result.seedCopies, 1);
});

test('an origin slower than the links is what the swarm waits for', () => {
  const originBytesPerSecond = DEFAULT_SIM_OPTIONS.linkBytesPerSecond / 10;
  const result = simulate({ ...IDEAL, peers: 8, pieces: 32, originBytesPerSecond });
  assertNear(result.makespanSeconds, 32 * 10 * PIECE_SECONDS, 0.08);
  assert.equal(result.originBytesRatio, 1);
});

test('without faults the origin is read exactly once and every peer completes', () => {
  const result = simulate({ peers: 40, pieces: 64, zones: 3 });
  assert.equal(result.violation, undefined);
  assert.equal(result.finishSeconds.length, 40);
  assert.equal(result.originBytesRatio, 1);
  assert.ok(result.makespanSeconds >= result.boundSeconds, 'nothing is faster than the bound');
});

test('four seeds read the origin once between them, with few requests', () => {
  const originBytesPerSecond = 4 * DEFAULT_SIM_OPTIONS.linkBytesPerSecond;
  const result = simulate({ peers: 12, pieces: 512, seeds: 4, originBytesPerSecond });
  assert.equal(result.violation, undefined);
  assert.equal(result.originBytesRatio, 1);
  assert.ok(result.originRequests > 4, 'all of them read');
  assert.ok(result.originRequests <= 1 + 10 * 4, `${result.originRequests} requests`);
});

test('each piece enters a zone about once', () => {
  const result = simulate({ peers: 30, pieces: 64, zones: 3 });
  assert.ok(result.crossZoneRatio >= 1 && result.crossZoneRatio <= 1.1, `${result.crossZoneRatio}`);
});

/** Links over which a piece takes 2 s, and 6 s where three are on their way. */
const SLOW_LINKS = { linkBytesPerSecond: 500_000, originBytesPerSecond: 12_500_000 };

test('on slow links, too, each piece enters a zone about once', () => {
  const result = simulate({ peers: 30, pieces: 64, zones: 3, ...SLOW_LINKS });
  assert.ok(result.crossZoneRatio >= 1 && result.crossZoneRatio <= 1.1, `${result.crossZoneRatio}`);
});

test('many peers have their first pieces soon, whatever a piece takes', () => {
  for (const links of [{}, SLOW_LINKS]) {
    const { ratio } = simulate({ peers: 100, pieces: 32, ...links });
    assert.ok(ratio <= 1.5, `${ratio}, where all at a third of the rate from the start took 1.59 to 1.77`);
  }
});

test('a parent that all but stops half way costs little time', () => {
  for (const seed of [1, 2]) {
    const common = { peers: 8, pieces: 512, seed };
    const slowed = simulate({ ...common, straggler: true });
    assert.ok(slowed.makespanSeconds <= simulate(common).makespanSeconds * 1.05);
  }
});

test('who reads in order hardly waits where others have the content, and nobody is later for it', () => {
  const late = { peers: 1, seeds: 6, pieces: 128, warmSeed: true, readers: 1 };
  const rarestFirst = simulate({ ...late, swarm: { readerWindow: 0 } });
  const inOrder = simulate(late);
  assert.ok((inOrder.readerFirstSeconds ?? 1) < 0.1, `${inOrder.readerFirstSeconds} s to the first piece`);
  assert.ok((inOrder.readerStallSeconds ?? 1) < 0.1, `${inOrder.readerStallSeconds} s without a piece`);
  assertNear(inOrder.makespanSeconds, rarestFirst.makespanSeconds);
  assertNear(inOrder.readerEndSeconds ?? 0, inOrder.makespanSeconds, 0.1);
  assertNear(rarestFirst.readerEndSeconds ?? 0, 2 * rarestFirst.makespanSeconds, 0.2);
});

test('with readers, faults and zones everybody completes', () => {
  for (const seed of [1, 2, 3]) {
    const { violation } = simulate({ peers: 12, pieces: 64, zones: 2, readers: 6, faults: true, seed });
    assert.equal(violation, undefined);
  }
});

test('slow links cost those of the usual rate little', () => {
  const ratios = [1, 2, 3].map((seed) => simulate({ peers: 60, slow: 0.1, seed }).healthyRatio);
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  assert.ok(mean <= 1.085, `${ratios.join(', ')}, where three lanes for slow links, too, took 1.096`);
});

test('quick links make nobody later', () => {
  const options = { peers: 60, seed: 2 };
  const { fastGives, makespanSeconds } = simulate({ ...options, fast: 0.1 });
  assert.ok(fastGives >= 1.1, `${fastGives} times what others give`);
  assert.ok(makespanSeconds <= simulate(options).makespanSeconds);
});

test('a join costs the scheduler a few messages', () => {
  const { joins, messagesPerJoin } = measureJoins(200, () => 0);
  assert.equal(joins, 200);
  assert.ok(messagesPerJoin <= 12, `${messagesPerJoin}`);
});

test('the same seed gives the same run, another seed another', () => {
  const options = { peers: 20, pieces: 48, zones: 2, slow: 0.2, faults: true };
  const hashes = [1, 1, 2].map((seed) => simulate({ ...options, seed }).traceHash);
  assert.equal(hashes[0], hashes[1]);
  assert.notEqual(hashes[1], hashes[2]);
});

test('the plot shows a step for each peer', () => {
  const svg = plotCompletion({
    ...simulate({ peers: 5, pieces: 8 }),
    title: 'five peers',
    series: [{ name: 'simulated', finishSeconds: [1, 2, 3, 4, 5] }],
  });
  assert.match(svg, /^<svg /u);
  assert.equal(svg.match(/H[\d.]+V[\d.]+/gu)?.length, 5);
});
