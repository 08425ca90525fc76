import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { BlobKey, PeerId } from '../core/index.ts';
import { MachineHarness, peerId, snapshotId } from './machine-harness.ts';

function key(number: number): BlobKey {
  return snapshotId(number);
}

class IndexHarness extends MachineHarness {
  hold(number: number, gained: number[], lost: number[] = [], isAll = false): void {
    const change = { gained: gained.map(key), lost: lost.map(key), isAll };
    this.send({ kind: 'blobsHeld', peer: peerId(number), ...change });
  }

  /** Who is named, by key. */
  find(number: number, ...keys: number[]): Map<BlobKey, PeerId[]> {
    this.send({ kind: 'findBlobs', peer: peerId(number), requestId: 7, keys: keys.map(key) });
    const [answer] = this.sent('blobsFound');
    assert.equal(answer?.requestId, 7);
    assert.equal(answer.to, peerId(number));
    return new Map(answer.found.map((blob) => [blob.key, blob.holders.map(({ id }) => id)]));
  }
}

function started(peers: number, limits = {}): IndexHarness {
  const harness = new IndexHarness({ limits });
  for (let number = 1; number <= peers; number += 1) harness.announce(number);
  return harness;
}

describe('the index of blobs', () => {
  it('names who holds a blob, and only what was asked for', () => {
    const machine = started(3);
    machine.hold(1, [10, 11]);
    machine.hold(2, [11, 12]);
    assert.deepEqual(machine.find(3, 10, 13), new Map([[key(10), [peerId(1)]]]));
    assert.deepEqual(machine.find(3, 11).get(key(11))?.toSorted(), [peerId(1), peerId(2)]);
  });

  it('does not name the one that asks', () => {
    const machine = started(1);
    machine.hold(1, [10]);
    assert.deepEqual(machine.find(1, 10), new Map());
  });

  it('forgets what a peer lost, and all of one that is gone', () => {
    const machine = started(3);
    machine.hold(1, [10, 11]);
    machine.hold(2, [10]);
    machine.hold(1, [], [10]);
    assert.deepEqual(machine.find(3, 10, 11).get(key(10)), [peerId(2)]);
    machine.gone(1);
    assert.deepEqual([...machine.find(3, 10, 11).keys()], [key(10)]);
    assert.deepEqual([...machine.state.blobs.keys.keys()], [peerId(2)]);
  });

  it('takes what a peer says of all in place of what it said before', () => {
    const machine = started(2);
    machine.hold(1, [10, 11]);
    machine.hold(1, [11, 12], [], true);
    assert.deepEqual([...machine.find(2, 10, 11, 12).keys()], [key(11), key(12)]);
  });

  it('names those of the own zone first, and a few at most', () => {
    const machine = new IndexHarness({ limits: { holdersNamed: 2 } });
    for (let number = 1; number <= 8; number += 1)
      machine.announce(number, 'peer', number > 6 ? 'r/near' : 'r/far');
    machine.announce(9, 'peer', 'r/near');
    for (let number = 1; number <= 8; number += 1) machine.hold(number, [10]);
    assert.deepEqual(machine.find(9, 10).get(key(10))?.toSorted(), [peerId(7), peerId(8)]);
  });

  it('remembers a few holders of a blob, and takes another when one goes', () => {
    const machine = started(4, { holdersPerBlob: 2 });
    for (const number of [1, 2, 3]) machine.hold(number, [10]);
    assert.deepEqual(machine.find(4, 10).get(key(10))?.toSorted(), [peerId(1), peerId(2)]);
    machine.gone(1);
    machine.hold(3, [10]);
    assert.deepEqual(machine.find(4, 10).get(key(10))?.toSorted(), [peerId(2), peerId(3)]);
  });

  it('counts and leaves out what is over a limit', () => {
    const machine = started(3, { blobs: 3, blobsPerPeer: 2, blobsPerQuestion: 2 });
    machine.hold(1, [10, 11, 12]);
    machine.hold(2, [10, 13, 14]);
    assert.deepEqual([...machine.find(3, 10, 11).keys()], [key(10), key(11)]);
    assert.deepEqual([...machine.find(3, 12, 13).keys()], [key(13)]);
    assert.equal(machine.state.ignored.overLimit, 2);
    machine.find(3, 10, 11, 13);
    assert.equal(machine.state.ignored.overLimit, 3);
  });

  it('does not name one that was condemned for wrong bytes', () => {
    const machine = started(2);
    machine.hold(1, [10]);
    machine.enter(1, { held: new Uint8Array([0xff]) });
    machine.enter(2);
    machine.suspect(2, 1);
    assert.deepEqual(machine.find(2, 10), new Map());
  });

  it('holds its invariants whatever comes', () => {
    const numbers = fc.integer({ min: 1, max: 5 });
    const keys = fc.array(fc.integer({ min: 10, max: 16 }), { maxLength: 5 });
    const event = fc.oneof(
      fc.record({
        kind: fc.constant('hold' as const),
        number: numbers,
        gained: keys,
        lost: keys,
        isAll: fc.boolean(),
      }),
      fc.record({ kind: fc.constantFrom('gone' as const, 'announce' as const), number: numbers }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const machine = started(3, { holdersPerBlob: 2, blobsPerPeer: 4, blobs: 5 });
        for (const one of events) {
          if (one.kind === 'hold') machine.hold(one.number, one.gained, one.lost, one.isAll);
          else machine[one.kind](one.number);
        }
        const { keys: ofPeers, holders } = machine.state.blobs;
        const pairs = [...ofPeers].flatMap(([peer, own]) => [...own].map((each) => `${each} ${peer}`));
        const same = [...holders].flatMap(([each, peers]) => [...peers].map((peer) => `${each} ${peer}`));
        assert.deepEqual(same.toSorted(), pairs.toSorted());
        for (const peer of ofPeers.keys()) assert.ok(machine.state.peers.has(peer));
        for (const peers of holders.values()) assert.ok(peers.size > 0 && peers.size <= 2);
        assert.ok(holders.size <= 5);
      }),
    );
  });
});
