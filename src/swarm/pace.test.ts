import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield, type PeerId } from '../core/index.ts';
import { SwarmWorld } from '../testing/swarm-world/index.ts';
import { step, usualServeMs } from './index.ts';

const PIECES = 200;

/** A host with neighbours that hold nothing yet, and a way to have each gain pieces, one tick after another. */
function linked(neighbours: number) {
  const world = new SwarmWorld({ seed: 1, hosts: neighbours + 1, pieces: PIECES });
  const state = world.hosts[0]?.state;
  assert.ok(state);
  const peers = world.hosts.slice(1).map(({ info }) => info.id);
  for (const peer of peers) step(state, { kind: 'linkUp', peer, held: new Bitfield(PIECES) }, 0);
  const next = new Map<PeerId, number>();
  step(state, { kind: 'tick' }, 0);
  const gain = (counts: readonly number[], nowMs: number): void => {
    for (const [at, peer] of peers.entries()) {
      const from = next.get(peer) ?? 0;
      const pieces = Array.from({ length: counts[at] ?? 0 }, (_, piece) => from + piece);
      next.set(peer, from + pieces.length);
      step(state, { kind: 'have', peer, pieces }, nowMs);
    }
    step(state, { kind: 'tick' }, nowMs);
  };
  return { state, peers, gain };
}

test('what a piece usually takes is what it takes most neighbours, over each of their lanes', () => {
  const { state, gain } = linked(5);
  gain([10, 10, 10, 2, 40], 1000);
  assert.equal(state.pace.usualMs, 3 * 100);
});

test('of few pieces and of few neighbours nothing is concluded', () => {
  const slow = linked(5);
  slow.gain([7, 7, 7, 7, 7], 1000);
  assert.equal(slow.state.pace.usualMs, 0);
  slow.gain([1, 1, 1, 1, 1], 2000);
  assert.equal(slow.state.pace.usualMs, 3 * 250, 'the stretch goes on until they have gained enough');
  const few = linked(2);
  few.gain([20, 20], 1000);
  assert.equal(few.state.pace.usualMs, 0);
});

test('a serve to a neighbour that is slow itself, or is not known, says nothing of the parent', () => {
  const { state, peers, gain } = linked(4);
  gain([20, 20, 20, 5], 1000);
  const [usual, , , slow] = peers;
  assert.ok(usual && slow);
  assert.equal(usualServeMs(state, usual), 3 * 50);
  assert.equal(usualServeMs(state, slow), 0);
  assert.equal(usualServeMs(state, 'nobody' as PeerId), 0);
});

test('when all others are complete nothing is usual any more', () => {
  const { state, gain } = linked(4);
  gain([20, 20, 20, 20], 1000);
  gain([180, 180, 180, 20], 2000);
  assert.equal(state.pace.usualMs, 0);
});

/** A host whose neighbours are complete, and all of whose pieces take so many times what is usual, for so many rounds. */
function slowTaker(factor: number, rounds: number) {
  const { state, peers, gain } = linked(4);
  gain([40, 40, 40, 40], 1000);
  const tookMs = factor * state.pace.usualMs;
  const sendersOfRounds: PeerId[][] = [];
  let nowMs = 1000;
  for (let round = 0; round < rounds; round += 1) {
    for (const peer of peers) {
      const claim = state.links.get(peer)?.asked.find(({ senders }) => senders.length === 0);
      if (claim) step(state, { kind: 'begun', peer, piece: claim.piece }, nowMs);
    }
    const senders = peers.filter((peer) => (state.links.get(peer)?.current.length ?? 0) > 0);
    sendersOfRounds.push(senders);
    nowMs += tookMs;
    for (const peer of senders) {
      for (const { piece } of state.links.get(peer)?.current.slice() ?? []) {
        step(state, { kind: 'stored', piece, from: peer }, nowMs);
      }
    }
  }
  return { state, sendersOfRounds };
}

test('a host whose pieces all take more than twice as long as is usual ends its lanes but one', () => {
  const { state, sendersOfRounds } = slowTaker(2.5, 12);
  assert.equal(sendersOfRounds[1]?.length, 3, 'after the first piece, which comes alone');
  assert.equal(state.lanes.now, 1);
  assert.equal(sendersOfRounds.at(-1)?.length, 1);
});

test('where even the one lane left is slow it goes to another neighbour now and then', () => {
  const { sendersOfRounds } = slowTaker(2.5, 24);
  const alone = sendersOfRounds.filter((senders) => senders.length === 1).flat();
  assert.ok(alone.length >= 12, `${alone.length} rounds`);
  assert.ok(new Set(alone.slice(1)).size >= 2, 'its own link need not be what is slow');
});
