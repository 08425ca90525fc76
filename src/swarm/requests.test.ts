// What is asked of whom, and what becomes of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield, type PeerId } from '../core/index.ts';
import { SwarmWorld } from '../testing/swarm-world/index.ts';
import { type SwarmEvent, step } from './index.ts';

/** A host that holds the last of so many pieces, or nothing, with links to neighbours that hold all; whom it asked for what. */
function askedOfFullNeighbours(neighbours: number, pieces: number, isBeginner = false) {
  const world = new SwarmWorld({ seed: 1, hosts: neighbours + 1, pieces });
  const state = world.hosts[0]?.state;
  assert.ok(state);
  if (!isBeginner) step(state, { kind: 'stored', piece: pieces - 1, from: 'origin' }, 0);
  const peers = world.hosts.slice(1).map(({ info }) => info.id);
  const effects = peers.flatMap((peer) =>
    step(state, { kind: 'linkUp', peer, held: Bitfield.full(pieces) }, 0),
  );
  return { state, peers, asked: effects.filter((effect) => effect.kind === 'request') };
}

test('a piece is asked of several neighbours until one begins to send it', () => {
  const { state, peers, asked } = askedOfFullNeighbours(3, 2);
  assert.deepEqual(
    asked.map(({ peer }) => peer),
    peers,
  );
  const [first, second, third] = peers;
  assert.ok(first && second && third);
  assert.deepEqual(step(state, { kind: 'begun', peer: second, piece: 0 }, 1), [
    { kind: 'cancel', peer: first, piece: 0 },
    { kind: 'cancel', peer: third, piece: 0 },
    { kind: 'look', afterMs: state.limits.overdueMs },
  ]);
  assert.deepEqual(step(state, { kind: 'tick' }, 100), [], 'it is on its way');
  assert.deepEqual(
    step(state, { kind: 'tick' }, state.limits.overdueMs + 1).map((effect) => effect.kind),
    ['request'],
    'it is overdue, so one more is asked',
  );
});

test('a link that ends while it sends makes its piece open again', () => {
  const { state, peers } = askedOfFullNeighbours(2, 2);
  const [first, second] = peers;
  assert.ok(first && second);
  step(state, { kind: 'begun', peer: first, piece: 0 }, 1);
  assert.deepEqual(step(state, { kind: 'linkDown', peer: first }, 2), [
    { kind: 'request', peer: second, piece: 0 },
  ]);
});

/** The peers that a piece was asked of, and the piece. */
function begunBy(asked: readonly { peer: PeerId; piece: number }[], count: number) {
  const pieces = new Set<number>();
  const firsts = asked.filter(({ piece }) => !pieces.has(piece) && pieces.add(piece));
  const peers = new Set<PeerId>();
  return firsts.filter(({ peer }) => !peers.has(peer) && peers.add(peer)).slice(0, count);
}

test('who alone holds pieces is asked for more of them', () => {
  const one = askedOfFullNeighbours(1, 40);
  assert.equal(one.asked.length, one.state.limits.solePiecesPerLink);
  const two = askedOfFullNeighbours(2, 40);
  const ofTheSecond = two.asked.filter(({ peer }) => peer === two.peers[1]);
  assert.equal(ofTheSecond.length, 1);
});

test('several neighbours are asked until the lanes are taken, then only those that send', () => {
  const { state, asked } = askedOfFullNeighbours(20, 40);
  assert.equal(new Set(asked.map(({ peer }) => peer)).size, state.limits.searchWidth);
  const senders = begunBy(asked, state.limits.lanes);
  for (const { peer, piece } of senders) step(state, { kind: 'begun', peer, piece }, 1);
  const waitingAt = [...state.links.values()].filter((link) => link.asked.length > 0);
  assert.deepEqual(waitingAt.map(({ peer }) => peer).sort(), senders.map(({ peer }) => peer).sort());
  const [first] = senders;
  assert.ok(first);
  const effects = step(state, { kind: 'linkDown', peer: first.peer }, 2);
  const askedAgain = effects.flatMap((effect) => (effect.kind === 'request' ? [effect.peer] : []));
  assert.ok(new Set(askedAgain).size >= state.limits.searchWidth, 'a lane is free again');
});

test('the first piece comes over one lane, and with it all of them are there', () => {
  const { state, asked } = askedOfFullNeighbours(20, 40, true);
  const [first] = begunBy(asked, 1);
  assert.ok(first);
  step(state, { ...first, kind: 'begun' }, 1);
  const stillAsked = [...state.links.values()].filter((link) => link.asked.length > 0);
  assert.deepEqual(
    stillAsked.map(({ peer }) => peer),
    [first.peer],
    'nobody else need send anything',
  );
  const effects = step(state, { kind: 'stored', piece: first.piece, from: first.peer }, 2);
  const peers = effects.flatMap((effect) => (effect.kind === 'request' ? [effect.peer] : []));
  assert.ok(new Set(peers).size >= state.limits.lanes);
});

test('a sender that stalls loses its lane, and its piece is asked of one more', () => {
  const { state, asked } = askedOfFullNeighbours(20, 4);
  const senders = begunBy(asked, state.limits.lanes);
  for (const { peer, piece } of senders) step(state, { kind: 'begun', peer, piece }, 1);
  const effects = step(state, { kind: 'tick' }, state.limits.overdueMs + 1);
  for (const { piece } of senders) {
    assert.equal(state.claims.get(piece)?.links.length, 2);
    assert.ok(effects.some((effect) => effect.kind === 'request' && effect.piece === piece));
  }
});

test('a neighbour that fails again and again is asked only for what nobody else has', () => {
  const { state, peers } = askedOfFullNeighbours(2, 4);
  const [failing] = peers;
  assert.ok(failing);
  let nowMs = 0;
  for (let times = 0; times < 3; times += 1) {
    const piece = state.links.get(failing)?.asked[0]?.piece;
    assert.ok(piece !== undefined, 'it is asked again after a pause');
    step(state, { kind: 'requestFailed', peer: failing, piece, reason: 'error', retryAfterMs: 0 }, nowMs);
    nowMs += 1_000;
    step(state, { kind: 'tick' }, nowMs);
  }
  assert.equal(state.links.get(failing)?.asked.length, 0);
  step(state, { kind: 'linkDown', peer: peers[1] ?? failing }, nowMs);
  step(state, { kind: 'tick' }, nowMs);
  assert.ok((state.links.get(failing)?.asked.length ?? 0) > 0, 'nobody else has anything now');
});

test('a look at the last pieces is asked for once, and again for what begins later', () => {
  const { state, peers } = askedOfFullNeighbours(3, 3);
  const [first, second] = peers;
  assert.ok(first && second);
  const { overdueMs } = state.limits;
  const looks = (event: SwarmEvent, atMs: number) =>
    step(state, event, atMs).flatMap((effect) => (effect.kind === 'look' ? [effect.afterMs] : []));
  assert.deepEqual(looks({ kind: 'begun', peer: first, piece: 0 }, 10), [], 'another piece is open');
  assert.deepEqual(looks({ kind: 'begun', peer: second, piece: 1 }, 20.5), [overdueMs - 10]);
  assert.deepEqual(looks({ kind: 'tick' }, 100), [], 'one is out');
  const found = step(state, { kind: 'look' }, overdueMs + 11);
  assert.equal(state.claims.get(0)?.overdue, true);
  const again = found.find((effect) => effect.kind === 'request' && effect.piece === 0);
  assert.ok(again?.kind === 'request');
  assert.deepEqual(
    looks({ kind: 'begun', peer: again.peer, piece: 0 }, overdueMs + 12),
    [9],
    'the second is due',
  );
});
