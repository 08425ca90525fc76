import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield, MiB, type PeerId, type Range } from '../core/index.ts';
import { SwarmWorld } from '../testing/swarm-world/index.ts';
import { createSwarmState, type SwarmEffect, type SwarmEvent, type SwarmState, step } from './index.ts';
import type { SwarmLimits } from './limits.ts';
import { windowPieces } from './readers.ts';

const PIECES = 400;

/** One piece is asked of who does not send yet, four of who does. */
const ONE_BY_ONE = { solePiecesPerLink: 1 };

function stateWith(limits: Partial<SwarmLimits> = {}, held = new Bitfield(PIECES)): SwarmState {
  const { map } = new SwarmWorld({ seed: 1, hosts: 1, pieces: PIECES });
  return createSwarmState({ self: 'f'.repeat(32) as PeerId, map, held, rngSeed: 7, limits });
}

function reader(id: number, start: number, end = PIECES): SwarmEvent {
  return { kind: 'reader', id, pieces: { start, end } };
}

function peerOf(at: number): PeerId {
  return at.toString(16).padStart(32, '0') as PeerId;
}

/** A neighbour comes that has all, or these; which pieces are asked of it. */
function link(state: SwarmState, at: number, held = Bitfield.full(PIECES)): number[] {
  return requests(step(state, { kind: 'linkUp', peer: peerOf(at), held }, 1));
}

function requests(effects: readonly SwarmEffect[]): number[] {
  return effects.flatMap((effect) => (effect.kind === 'request' ? [effect.piece] : []));
}

function readsOf(effects: readonly SwarmEffect[]): Range[] {
  return effects.flatMap((effect) => (effect.kind === 'read' ? [effect.pieces] : []));
}

function window(state: SwarmState): number[] {
  return [...windowPieces(state)];
}

test('the pieces from where a reader is are asked for first, in order', () => {
  const state = stateWith(ONE_BY_ONE);
  step(state, reader(1, 100), 0);
  assert.deepEqual(link(state, 1), [100]);
  const asked = requests(step(state, { kind: 'begun', peer: peerOf(1), piece: 100 }, 2));
  assert.deepEqual(asked, [101, 102, 103]);
});

test('until one begins to send it, the first piece is asked of every neighbour', () => {
  const state = stateWith(ONE_BY_ONE);
  step(state, reader(1, 100), 0);
  assert.deepEqual([link(state, 1), link(state, 2), link(state, 3)], [[100], [100], [100]]);
  const effects = step(state, { kind: 'begun', peer: peerOf(2), piece: 100 }, 2);
  assert.equal(effects.filter(({ kind }) => kind === 'cancel').length, 2);
});

test('beyond the window, and of whom has nothing in it, the rarest is asked for', () => {
  const state = stateWith({ readerWindow: 2 });
  step(state, reader(1, 100), 0);
  const rare = new Bitfield(PIECES);
  rare.add(102);
  assert.deepEqual(link(state, 1, rare), [102]);
});

test('a reader that moves on takes its window along, and one that has gone or is at the end leaves none', () => {
  const state = stateWith({ readerWindow: 3 });
  step(state, reader(1, 100), 0);
  step(state, reader(1, 398), 1);
  assert.deepEqual(window(state), [398, 399]);
  step(state, reader(1, 400), 2);
  assert.equal(state.readers.size, 0);
  step(state, reader(1, 10), 3);
  step(state, { kind: 'readerGone', id: 1 }, 4);
  step(state, { kind: 'readerGone', id: 1 }, 5);
  assert.deepEqual(window(state), []);
});

test('what is past the end of the file, or of the snapshot, is in no window', () => {
  const state = stateWith({ readerWindow: 8 });
  step(state, reader(1, 5, 7), 0);
  step(state, reader(2, 399, 1_000_000), 0);
  assert.deepEqual(window(state), [5, 399, 6]);
  step(state, reader(3, 7, 7), 0);
  step(state, reader(4, 1_000, 2_000), 0);
  assert.equal(state.readers.size, 2);
});

test('readers take turns, and those beyond the limit wait for a place', () => {
  const state = stateWith({ readerWindow: 2, maxReaders: 2 });
  for (const [id, start] of [10, 20, 30].entries()) step(state, reader(id, start), 0);
  step(state, reader(0, 11), 1);
  assert.deepEqual(window(state), [11, 20, 12, 21]);
  step(state, { kind: 'readerGone', id: 1 }, 2);
  assert.deepEqual(window(state), [11, 30, 12, 31]);
});

test('what is held is not asked for, what was dropped is again', () => {
  const held = new Bitfield(PIECES);
  for (const piece of [0, 1]) held.add(piece);
  const state = stateWith(ONE_BY_ONE, held);
  step(state, reader(1, 0), 0);
  assert.deepEqual(link(state, 1), [2]);
  step(state, { kind: 'begun', peer: peerOf(1), piece: 2 }, 2);
  step(state, { kind: 'dropped', pieces: [1] }, 3);
  step(state, { kind: 'stored', piece: 2, from: peerOf(1) }, 4);
  const asked = requests(step(state, { kind: 'begun', peer: peerOf(1), piece: 3 }, 5));
  assert.deepEqual(asked, [1]);
});

test('a neighbour that alone has something is asked for what a reader waits for first', () => {
  const state = stateWith({ lanes: 1, wishesPerSender: 1, linkWindowBytes: 0, solePiecesPerLink: 4 });
  step(state, reader(1, 200), 0);
  assert.deepEqual(link(state, 1), [200, 201, 202, 203]);
});

test('the origin is read from where a reader is, in parts of the least size one after another', () => {
  const state = stateWith({ originReads: 2, minReadBytes: 16 * MiB });
  step(state, reader(1, 100, 300), 0);
  const lease = { kind: 'lease', epoch: 1, spans: [{ start: 0, end: PIECES }] } as const;
  assert.deepEqual(readsOf(step(state, lease, 1)), [
    { start: 100, end: 116 },
    { start: 116, end: 132 },
  ]);
  const ended = { kind: 'readEnded', readId: 1, error: undefined } as const;
  for (let piece = 100; piece < 116; piece += 1) step(state, { kind: 'stored', piece, from: 'origin' }, 2);
  assert.deepEqual(readsOf(step(state, ended, 3)), [{ start: 132, end: 148 }]);
});

test('what no reader waits for is read as ever, and all of it once', () => {
  for (const start of [0, 90, 399]) {
    const world = new SwarmWorld({ seed: 1, hosts: 3, pieces: PIECES, limits: { minReadBytes: 8 * MiB } });
    const [host] = world.hosts;
    assert.ok(host);
    world.feed(host, reader(1, start));
    world.start();
    world.run(600_000);
    assert.equal(world.done, true);
    assert.equal(world.originPieces, PIECES);
    assert.deepEqual(world.leasesDone, [1]);
  }
});
