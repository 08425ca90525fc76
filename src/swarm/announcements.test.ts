import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield, type PeerId } from '../core/index.ts';
import { SwarmWorld } from '../testing/swarm-world/index.ts';
import { type SwarmEffect, type SwarmState, step } from './index.ts';
import { Untold } from './untold.ts';

const PIECES = 40;

function neighbour(number: number): PeerId {
  return number.toString(16).padStart(32, 'b') as PeerId;
}

/** A host with neighbours, of which the first `holders` hold piece 0. */
function hostWith(neighbours: number, holders: number): SwarmState {
  const [host] = new SwarmWorld({ seed: 1, hosts: 1, pieces: PIECES }).hosts;
  assert.ok(host);
  for (let number = 0; number < neighbours; number += 1) {
    const held = new Bitfield(PIECES);
    if (number < holders) held.add(0);
    step(host.state, { kind: 'linkUp', peer: neighbour(number), held }, 1);
  }
  return host.state;
}

function store(state: SwarmState, piece: number, nowMs = 2): SwarmEffect[] {
  return step(state, { kind: 'stored', piece, from: 'origin' }, nowMs);
}

function laterOf(effects: readonly SwarmEffect[]): PeerId[] {
  return effects.flatMap((effect) => (effect.kind === 'announce' ? [...effect.later] : []));
}

function saysRest(effects: readonly SwarmEffect[]): boolean {
  return effects.some(({ kind }) => kind === 'announceRest');
}

for (const { holders, mayWait, title } of [
  { holders: 0, mayWait: 'nobody', title: 'a new piece is told to all at once' },
  { holders: 2, mayWait: 'nobody', title: 'a fresh piece is told to those that have it as well' },
  { holders: 3, mayWait: 'holders', title: 'of a young piece who has it may hear later' },
  { holders: 7, mayWait: 'holders', title: 'of a young piece who lacks it hears at once' },
  { holders: 8, mayWait: 'all', title: 'of a piece that many hold all may hear later' },
] as const) {
  test(`${title} (${holders} hold it)`, () => {
    const state = hostWith(12, holders);
    const waiting = { nobody: 0, holders, all: 12 }[mayWait];
    const expected = Array.from({ length: waiting }, (_, number) => neighbour(number));
    assert.deepEqual(laterOf(store(state, 0)), expected);
  });
}

test('what was left untold is told after a second, once', () => {
  const state = hostWith(12, 12);
  store(state, 0, 1_000);
  assert.equal(saysRest(step(state, { kind: 'tick' }, 1_750)), false);
  assert.equal(saysRest(step(state, { kind: 'tick' }, 2_000)), true);
  assert.equal(saysRest(step(state, { kind: 'tick' }, 9_000)), false);
});

test('with the last piece all is told', () => {
  const state = hostWith(12, 12);
  for (let piece = PIECES - 1; piece > 0; piece -= 1) assert.equal(saysRest(store(state, piece)), false);
  const effects = store(state, 0);
  assert.deepEqual(laterOf(effects), []);
  assert.equal(saysRest(effects), true);
});

test('who may wait is told with the next that cannot, or after 32 pieces', () => {
  const untold = new Untold<string>();
  for (const channel of ['patient', 'hurried']) untold.begin(channel);
  const mayWait = (channel: string): boolean => channel === 'patient';
  assert.deepEqual(untold.add(7, mayWait), ['hurried']);
  assert.deepEqual(untold.take('hurried'), [7]);
  assert.deepEqual(untold.take('hurried'), []);
  assert.deepEqual(
    untold.add(8, () => false),
    ['patient', 'hurried'],
  );
  assert.deepEqual(untold.take('patient'), [7, 8]);
  for (let piece = 0; piece < 31; piece += 1)
    assert.deepEqual(untold.add(piece, () => true).includes('patient'), false);
  assert.equal(untold.add(31, () => true).includes('patient'), true);
  untold.end('patient');
  assert.deepEqual(untold.take('patient'), []);
  assert.deepEqual(untold.channels, ['hurried']);
});
