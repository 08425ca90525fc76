import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield, MiB, type Range, rangeLength } from '../core/index.ts';
import { SwarmWorld } from '../testing/swarm-world/index.ts';
import { createSwarmState, type SwarmEffect, type SwarmState, step, unreadSpans } from './index.ts';
import type { SwarmLimits } from './limits.ts';

const PIECES = 512;

/** A holder that has begun to read everything, in four reads. */
function holder(limits: Partial<SwarmLimits> = {}): { state: SwarmState; reads: SwarmEffect[] } {
  const world = new SwarmWorld({ seed: 1, hosts: 1, pieces: PIECES });
  const { map } = world;
  const self = world.hosts[0]?.id;
  assert.ok(self);
  const held = new Bitfield(PIECES);
  const state = createSwarmState({ self, map, held, rngSeed: 1, limits });
  return { state, reads: step(state, { kind: 'lease', epoch: 3, spans: [{ start: 0, end: PIECES }] }, 0) };
}

function yieldedBy(effects: readonly SwarmEffect[]): readonly Range[] {
  const answer = effects.find((effect) => effect.kind === 'leaseYielded');
  assert.equal(answer?.kind, 'leaseYielded');
  return answer.kind === 'leaseYielded' ? answer.spans : [];
}

function count(spans: readonly Range[]): number {
  return spans.reduce((sum, span) => sum + rangeLength(span), 0);
}

test('half of what runs is given back, from the ends of as few reads as possible', () => {
  const { state, reads } = holder();
  assert.equal(reads.filter(({ kind }) => kind === 'read').length, 4);
  const effects = step(state, { kind: 'yieldLease', epoch: 3 }, 10);
  const spans = yieldedBy(effects);
  assert.ok(Math.abs(count(spans) - PIECES / 2) <= 8, `${count(spans)} pieces`);
  const ends = effects.flatMap((effect) => (effect.kind === 'shortenRead' ? effect.end : []));
  assert.ok(ends.length <= 3, `${ends.length} reads are cut`);
  for (const end of ends) assert.ok(spans.some((span) => span.start <= end && end < span.end));
  assert.equal(count(unreadSpans(state)) + count(spans), PIECES);
});

test('what has not begun is given back first', () => {
  const world = new SwarmWorld({ seed: 1, hosts: 1, pieces: PIECES });
  const one = createSwarmState({
    self: world.hosts[0]?.id ?? assert.fail(),
    map: world.map,
    held: new Bitfield(PIECES),
    rngSeed: 1,
    limits: { originReads: 1 },
  });
  step(
    one,
    {
      kind: 'lease',
      epoch: 1,
      spans: [
        { start: 0, end: 100 },
        { start: 200, end: 400 },
      ],
    },
    0,
  );
  const effects = step(one, { kind: 'yieldLease', epoch: 1 }, 0);
  assert.deepEqual(yieldedBy(effects), [{ start: 252, end: 400 }]);
  assert.deepEqual(
    effects.filter(({ kind }) => kind === 'shortenRead'),
    [],
  );
});

test('what is held or just coming stays', () => {
  const { state } = holder({ minYieldBytes: 1 });
  for (let piece = 0; piece < 120; piece += 1) step(state, { kind: 'stored', piece, from: 'origin' }, 1);
  const spans = yieldedBy(step(state, { kind: 'yieldLease', epoch: 3 }, 1_000_000));
  for (const { start, end } of spans) {
    for (let piece = start; piece < end; piece += 1) assert.equal(state.held.has(piece), false);
  }
  assert.ok(
    unreadSpans(state).some(({ start }) => start === 120),
    'the piece that is coming stays',
  );
});

for (const [what, limits, readPieces, atMs] of [
  ['has too few bytes', { minYieldBytes: 257 * MiB }, 0, 0],
  ['is read in less than two seconds', {}, 100, 400],
] as const) {
  test(`nothing is given back of what ${what}`, () => {
    const { state } = holder(limits);
    for (let piece = 0; piece < readPieces; piece += 1)
      step(state, { kind: 'stored', piece, from: 'origin' }, 1);
    assert.deepEqual(yieldedBy(step(state, { kind: 'yieldLease', epoch: 3 }, atMs)), []);
  });
}

test('a question about another lease is not answered', () => {
  const { state } = holder();
  assert.deepEqual(step(state, { kind: 'yieldLease', epoch: 2 }, 0), []);
});

test('what is left is told every five seconds while it becomes less', () => {
  const { state } = holder();
  const told = (nowMs: number): number[] =>
    step(state, { kind: 'tick' }, nowMs).flatMap((effect) =>
      effect.kind === 'leaseProgress' ? effect.leftPieces : [],
    );
  assert.deepEqual(told(4_999), []);
  assert.deepEqual(told(5_000), [PIECES]);
  assert.deepEqual(told(10_000), []);
  step(state, { kind: 'stored', piece: 0, from: 'origin' }, 10_001);
  assert.deepEqual(told(10_250), [PIECES - 1]);
});

test('two readers read everything once between them', () => {
  const world = new SwarmWorld({ seed: 4, hosts: 6, pieces: PIECES });
  world.start();
  world.run(500);
  const [first, second] = world.hosts;
  assert.ok(first && second);
  world.feed(first, { kind: 'yieldLease', epoch: 1 });
  assert.ok(count(world.yielded) > PIECES / 4);
  world.lease(second, 2, [...world.yielded]);
  world.run(600_000);
  assert.equal(world.done, true);
  assert.equal(world.originPieces, PIECES);
  assert.deepEqual(new Set(world.leasesDone), new Set([1, 2]));
});
