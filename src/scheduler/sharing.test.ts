import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MiB } from '../core/index.ts';
import { failure, full, held, MachineHarness, PIECES, peerId, SNAPSHOT } from './machine-harness.ts';

const ALL = [{ start: 0, end: PIECES }];
const SECOND_HALF = { start: 4, end: PIECES };
/** Pieces of 64 MiB each: one is worth sharing. */
const LARGE = { totalBytes: PIECES * 64 * MiB };

/** Two seeds: the first reads, the second has come later. */
function twoSeeds(): MachineHarness {
  const machine = new MachineHarness();
  machine.enter(1, { role: 'seed', ...LARGE });
  machine.enter(2, { role: 'seed', ...LARGE });
  return machine;
}

function yielded(): MachineHarness {
  const machine = twoSeeds();
  machine.leaseYielded(1, 1, SECOND_HALF);
  return machine;
}

describe('a seed that joins while another reads', () => {
  it('gets what that one gives back, with a higher epoch', () => {
    const machine = twoSeeds();
    assert.deepEqual(machine.sent('yieldLease'), [
      { kind: 'yieldLease', to: peerId(1), snapshot: SNAPSHOT, epoch: 1 },
    ]);
    machine.leaseYielded(1, 1, SECOND_HALF);
    assert.deepEqual(machine.lease, { to: peerId(2), epoch: 2, spans: [SECOND_HALF] });
  });

  it('gets nothing where that one keeps all, and does not ask again', () => {
    const machine = twoSeeds();
    machine.leaseYielded(1, 1);
    assert.deepEqual(machine.effects, []);
    machine.enter(3, { role: 'seed', ...LARGE });
    assert.deepEqual([machine.lease, machine.sent('yieldLease')], [undefined, []]);
  });

  it('is not given a part of what is small', () => {
    const machine = new MachineHarness();
    machine.enter(1, { role: 'seed', totalBytes: 63 * MiB });
    machine.enter(2, { role: 'seed', totalBytes: 63 * MiB });
    assert.deepEqual(machine.sent('yieldLease'), []);
  });

  it('is not given a part of what is nearly read', () => {
    const machine = new MachineHarness();
    machine.enter(1, { role: 'seed', ...LARGE });
    machine.leaseProgress(1, 1, 0);
    machine.enter(2, { role: 'seed', ...LARGE });
    assert.deepEqual(machine.sent('yieldLease'), []);
  });

  it('that is gone before the answer leaves its part to another', () => {
    const machine = twoSeeds();
    machine.enter(3, { role: 'seed', ...LARGE });
    machine.leave(2);
    machine.leaseYielded(1, 1, SECOND_HALF);
    assert.deepEqual(machine.lease, { to: peerId(3), epoch: 2, spans: [SECOND_HALF] });
  });

  it('that is gone before the answer and was the only one leaves its part where it was', () => {
    const machine = twoSeeds();
    machine.leave(2);
    machine.leaseYielded(1, 1, SECOND_HALF);
    assert.deepEqual(machine.lease, { to: peerId(1), epoch: 2, spans: ALL });
  });
});

describe('a reader that has read its part', () => {
  it('helps the one that has most left', () => {
    const machine = yielded();
    machine.leaseProgress(1, 1, 3);
    machine.leaseDone(2, 2);
    assert.deepEqual(machine.sent('yieldLease'), [
      { kind: 'yieldLease', to: peerId(1), snapshot: SNAPSHOT, epoch: 1 },
    ]);
    machine.leaseYielded(1, 1, { start: 3, end: 4 });
    assert.deepEqual(machine.lease, { to: peerId(2), epoch: 3, spans: [{ start: 3, end: 4 }] });
  });

  it('says so after it gave a part back: its old lease is over all the same', () => {
    const machine = yielded();
    machine.leaseDone(1, 1);
    assert.deepEqual([...(machine.state.swarms.get(SNAPSHOT)?.readers.keys() ?? [])], [peerId(2)]);
  });
});

describe('one of two readers', () => {
  it('that is lost leaves just what nobody has to the other', () => {
    const machine = yielded();
    machine.gone(2);
    assert.deepEqual(machine.asked, [peerId(1)]);
    machine.holdings(1, held(PIECES, 0, 1, 5));
    assert.deepEqual(machine.lease, {
      to: peerId(1),
      epoch: 3,
      spans: [
        { start: 2, end: 5 },
        { start: 6, end: 8 },
      ],
    });
  });

  it('that fails does not make the swarm fail while the other reads', () => {
    const machine = yielded();
    machine.leaseDone(2, 2, failure);
    assert.deepEqual(machine.sent('swarmFailed'), []);
    machine.holdings(1, held(PIECES, 0));
    machine.holdings(2, held(PIECES, 4));
    assert.equal(machine.lease?.to, peerId(1));
    assert.deepEqual(machine.lease?.spans, [
      { start: 1, end: 4 },
      { start: 5, end: 8 },
    ]);
  });

  it('that comes back with its part keeps it', () => {
    const machine = yielded();
    machine.gone(2);
    machine.enter(2, { role: 'seed', lease: { epoch: 2, spans: [SECOND_HALF] } });
    machine.pass(2_000);
    assert.deepEqual([machine.lease, machine.sent('leaseRevoked')], [undefined, []]);
    machine.leaseDone(2, 2);
    machine.leaseDone(1, 1);
    machine.pass(40_000);
    assert.equal(machine.lease, undefined);
  });
});

describe('without seeds', () => {
  it('two members read, and no third', () => {
    const machine = new MachineHarness();
    for (const number of [1, 2, 3]) machine.enter(number, LARGE);
    machine.leaseYielded(1, 1, SECOND_HALF);
    assert.equal(machine.lease?.to, peerId(2));
    machine.enter(4, LARGE);
    assert.deepEqual(machine.sent('yieldLease'), []);
  });
});

describe('seeds that do not take part', () => {
  function inviting(): MachineHarness {
    const machine = new MachineHarness();
    machine.announce(7, 'seed');
    machine.enter(1, { role: 'seed', ...LARGE });
    return machine;
  }

  it('are invited through the first reader where there is much to read, and a part is kept for them', () => {
    const machine = inviting();
    const [invited, more] = machine.sent('invite');
    assert.equal(more, undefined);
    assert.equal(invited?.to, peerId(1));
    assert.deepEqual(
      invited?.seeds.map(({ id }) => id),
      [peerId(7)],
    );
    assert.deepEqual(machine.lease?.spans, [{ start: 0, end: 4 }]);
    machine.enter(2, LARGE);
    assert.equal(machine.lease, undefined, 'a peer that comes first does not get it');
    machine.join(7, LARGE);
    assert.deepEqual(machine.lease, { to: peerId(7), epoch: 2, spans: [SECOND_HALF] });
    machine.pass(60_000);
    assert.equal(machine.lease, undefined);
  });

  it('and do not come within 3 s leave their part to who reads, in one lease', () => {
    const machine = inviting();
    machine.pass(2_999);
    assert.equal(machine.lease, undefined);
    machine.pass(1);
    assert.deepEqual(machine.lease, { to: peerId(1), epoch: 2, spans: ALL });
  });

  it('and do not come before the first part is read leave theirs to who read it', () => {
    const machine = inviting();
    machine.leaseDone(1, 1);
    assert.deepEqual(machine.lease, { to: peerId(1), epoch: 2, spans: [SECOND_HALF] });
  });

  it('are invited again after 30 s at the earliest', () => {
    const machine = inviting();
    machine.leaseDone(1, 1, failure);
    machine.holdings(1, held(PIECES));
    assert.deepEqual(machine.sent('invite'), []);
  });

  it('are left alone where there is little to read, or enough seeds take part', () => {
    const machine = new MachineHarness();
    for (const number of [7, 8]) machine.announce(number, 'seed');
    machine.enter(1, { totalBytes: 100 * MiB });
    assert.deepEqual(machine.sent('invite'), []);
    const other = new MachineHarness({ limits: { seedReaders: 1 } });
    other.announce(7, 'seed');
    other.enter(1, { role: 'seed', ...LARGE });
    assert.deepEqual(other.sent('invite'), []);
    assert.deepEqual(other.lease?.spans, ALL);
  });

  it('get equal parts with those that do', () => {
    const machine = new MachineHarness({ limits: { startSettleMs: 1_000 } });
    machine.announce(7, 'seed');
    for (const number of [1, 2]) machine.enter(number, { role: 'seed', ...LARGE });
    machine.pass(1_000);
    for (const to of machine.asked) machine.holdings(Number.parseInt(to, 16), held(PIECES));
    const parts = machine.sent('lease').map(({ spans }) => spans);
    assert.deepEqual(parts, [[{ start: 0, end: 3 }], [{ start: 3, end: 6 }]]);
    machine.join(7, LARGE);
    assert.deepEqual(machine.lease?.spans, [{ start: 6, end: 8 }]);
  });
});

describe('a reader that gets no further', () => {
  it('loses its lease after three minutes, and another reads the rest', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.pass(60_000);
    machine.leaseProgress(1, 1, 6);
    machine.pass(60_000);
    machine.leaseProgress(1, 1, 6);
    machine.pass(119_999);
    assert.deepEqual(machine.effects, []);
    machine.pass(1);
    assert.deepEqual(machine.sent('leaseRevoked'), [
      { kind: 'leaseRevoked', to: peerId(1), snapshot: SNAPSHOT, epoch: 1 },
    ]);
    machine.holdings(1, held(PIECES, 0, 1));
    machine.holdings(2, held(PIECES, 0));
    assert.deepEqual(machine.lease, { to: peerId(2), epoch: 2, spans: [{ start: 2, end: 8 }] });
  });

  it('gets another if nobody else can read', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.pass(180_000);
    machine.holdings(1, held(PIECES, 0));
    assert.deepEqual(machine.lease, { to: peerId(1), epoch: 2, spans: [{ start: 1, end: 8 }] });
  });

  it('is left alone where all is read', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2, { held: full(PIECES) });
    machine.pass(180_000);
    assert.equal(machine.lease, undefined);
  });
});
