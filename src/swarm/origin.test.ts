import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '../core/index.ts';
import { SwarmWorld, someError } from '../testing/swarm-world/index.ts';
import { type SwarmEvent, type SwarmState, step } from './index.ts';

test('an origin error ends the lease after the running reads ended', () => {
  const world = new SwarmWorld({
    seed: 1,
    hosts: 1,
    pieces: 400,
    limits: { originReads: 2, minReadBytes: MiB },
  });
  const { state } = world.first;
  const reads = step(state, { kind: 'lease', epoch: 3, spans: [{ start: 0, end: 400 }] }, 0);
  assert.deepEqual(
    reads.map((effect) => effect.kind),
    ['read', 'read', 'paceReads'],
  );
  assert.deepEqual(step(state, { kind: 'readEnded', readId: 1, error: someError }, 1), [
    { kind: 'paceReads', pace: 'all' },
  ]);
  assert.deepEqual(step(state, { kind: 'readEnded', readId: 2, error: undefined }, 2), [
    { kind: 'leaseDone', epoch: 3, error: someError },
  ]);
});

/** What a host with two reads says of their pace at this event. */
function pacesOf(state: SwarmState, event: SwarmEvent, nowMs: number): unknown[] {
  return step(state, event, nowMs).flatMap((effect) => (effect.kind === 'paceReads' ? [effect.pace] : []));
}

function startTwoReads(heldPieces = 0): SwarmState {
  const limits = { originReads: 2, minReadBytes: MiB, firstReadPieces: 2, firstReadMs: 250 };
  const { state } = new SwarmWorld({ seed: 1, hosts: 1, pieces: 40, limits }).first;
  for (let piece = 0; piece < heldPieces; piece += 1)
    step(state, { kind: 'stored', piece, from: 'origin' }, 0);
  const paces = pacesOf(state, { kind: 'lease', epoch: 1, spans: [{ start: 0, end: 40 }] }, 1_000);
  assert.deepEqual(paces, heldPieces < 2 ? [1] : []);
  return state;
}

test('the first read goes alone until some pieces are here', () => {
  const state = startTwoReads();
  assert.deepEqual(pacesOf(state, { kind: 'stored', piece: 0, from: 'origin' }, 1_010), []);
  assert.deepEqual(pacesOf(state, { kind: 'stored', piece: 1, from: 'origin' }, 1_020), ['all']);
});

test('it goes alone for a short time only, and where it ends the next does not wait', () => {
  const slow = startTwoReads();
  assert.deepEqual(pacesOf(slow, { kind: 'tick' }, 1_249), []);
  assert.deepEqual(pacesOf(slow, { kind: 'tick' }, 1_250), ['all']);
  assert.deepEqual(pacesOf(startTwoReads(), { kind: 'readEnded', readId: 1, error: undefined }, 1_010), [2]);
});

test('a file is read in twice as many parts as there are reads, in order', () => {
  const limits = { originReads: 2, minReadBytes: MiB };
  const { state } = new SwarmWorld({ seed: 1, hosts: 1, pieces: 42, limits }).first;
  const readsOf = (event: SwarmEvent, nowMs: number): unknown[] =>
    step(state, event, nowMs).flatMap((effect) => (effect.kind === 'read' ? [effect.pieces] : []));
  const storeAll = (start: number, end: number): void => {
    for (let piece = start; piece < end; piece += 1)
      step(state, { kind: 'stored', piece, from: 'origin' }, 1);
  };
  assert.deepEqual(readsOf({ kind: 'lease', epoch: 1, spans: [{ start: 0, end: 42 }] }, 0), [
    { start: 0, end: 11 },
    { start: 11, end: 22 },
  ]);
  storeAll(0, 11);
  assert.deepEqual(readsOf({ kind: 'readEnded', readId: 1, error: undefined }, 2), [{ start: 22, end: 33 }]);
  storeAll(11, 22);
  assert.deepEqual(readsOf({ kind: 'readEnded', readId: 2, error: undefined }, 3), [{ start: 33, end: 42 }]);
});

test('a host that holds pieces begins all its reads at once', () => {
  startTwoReads(2);
});

test('held pieces inside a lease are not read again', () => {
  const world = new SwarmWorld({ seed: 1, hosts: 1, pieces: 10, limits: { originReads: 8 } });
  const { state } = world.first;
  for (const piece of [3, 4, 7]) step(state, { kind: 'stored', piece, from: 'origin' }, 0);
  const reads = step(state, { kind: 'lease', epoch: 1, spans: [{ start: 0, end: 10 }] }, 0);
  assert.deepEqual(
    reads.flatMap((effect) => (effect.kind === 'read' ? [effect.pieces] : [])),
    [
      { start: 0, end: 3 },
      { start: 5, end: 7 },
      { start: 8, end: 10 },
    ],
  );
});

test('an abandoned blob is neither read nor asked for', () => {
  const world = new SwarmWorld({ seed: 1, hosts: 1, pieces: 10 });
  const { state } = world.first;
  step(state, { kind: 'abandon', pieces: { start: 0, end: 10 } }, 0);
  const effects = step(state, { kind: 'lease', epoch: 1, spans: [{ start: 0, end: 10 }] }, 0);
  assert.deepEqual(effects, [{ kind: 'leaseDone', epoch: 1, error: undefined }]);
});
