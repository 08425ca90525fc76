import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { held, MachineHarness, PIECES, peerId, peerInfo, SNAPSHOT } from './machine-harness.ts';

const ALL = [{ start: 0, end: PIECES }];

/** A machine that has just started where another was, as the server runs it. */
function restarted(): MachineHarness {
  const machine = new MachineHarness({ epochBase: 1_000, limits: { startSettleMs: 2_000 } });
  machine.send({ kind: 'tick' });
  return machine;
}

/** Comes back to it with a swarm. */
function comeBack(machine: MachineHarness, number: number, options: Parameters<MachineHarness['join']>[1]) {
  machine.send({ kind: 'announce', peer: peerInfo(number), returning: true });
  return machine.join(number, options);
}

describe('after a restart of the scheduler', () => {
  it('a holder that comes back keeps its lease, and no other is granted', () => {
    const machine = restarted();
    machine.enter(2, { held: held(PIECES, 0) });
    machine.enter(1, { held: held(PIECES, 0, 1), lease: { epoch: 7, spans: ALL } });
    for (let second = 0; second < 60; second += 1) {
      machine.pass(1_000);
      assert.deepEqual([machine.lease, machine.asked], [undefined, []]);
    }
  });

  it('what a holder of before says it read is not read again', () => {
    const machine = restarted();
    machine.enter(1, { held: held(PIECES, 0), lease: { epoch: 7, spans: [{ start: 1, end: PIECES }] } });
    machine.enter(2);
    machine.pass(10_000);
    machine.leaseDone(1, 7);
    assert.deepEqual([machine.lease, machine.asked], [undefined, []]);
  });

  it('several holders come back in any order, and each keeps its part', () => {
    const parts = [
      { epoch: 8, spans: [{ start: 4, end: PIECES }] },
      { epoch: 7, spans: [{ start: 0, end: 4 }] },
    ];
    for (const order of [parts, parts.toReversed()]) {
      const machine = restarted();
      for (const [at, lease] of order.entries()) machine.enter(at + 1, { lease });
      machine.pass(10_000);
      assert.deepEqual([machine.lease, machine.asked, machine.sent('leaseRevoked')], [undefined, [], []]);
      assert.deepEqual(machine.state.swarms.get(SNAPSHOT)?.readers.size, 2);
    }
  });

  it('of two holders of the same pieces the one with the higher epoch keeps them', () => {
    const machine = restarted();
    machine.enter(1, { lease: { epoch: 7, spans: ALL } });
    machine.enter(2, { lease: { epoch: 8, spans: [{ start: 2, end: 5 }] } });
    assert.deepEqual(
      machine.sent('leaseRevoked').map(({ to, epoch }) => [to, epoch]),
      [[peerId(1), 7]],
    );
    machine.enter(3, { lease: { epoch: 6, spans: [{ start: 4, end: 6 }] } });
    assert.deepEqual(
      machine.sent('leaseRevoked').map(({ to, epoch }) => [to, epoch]),
      [[peerId(3), 6]],
    );
  });

  it('nothing that a member holds is read again, however late it comes back', () => {
    const machine = restarted();
    comeBack(machine, 1, {});
    machine.pass(4_900);
    comeBack(machine, 2, { held: held(PIECES, 0, 1, 2) });
    assert.equal(machine.lease, undefined);
    machine.pass(1_100);
    assert.deepEqual(machine.asked, [peerId(1), peerId(2)]);
    machine.holdings(1, held(PIECES, 2));
    machine.holdings(2, held(PIECES, 0, 1, 2, 3));
    assert.deepEqual(machine.lease, { to: peerId(2), epoch: 1_000, spans: [{ start: 4, end: 8 }] });
  });

  it('a newcomer that is ahead of everybody waits, and the holder that comes later keeps its lease', () => {
    const machine = restarted();
    machine.enter(9);
    assert.equal(machine.lease, undefined);
    machine.pass(1_500);
    comeBack(machine, 1, { held: held(PIECES, 0), lease: { epoch: 3, spans: ALL } });
    machine.pass(10_000);
    assert.deepEqual([machine.lease, machine.asked], [undefined, []]);
  });

  it('pieces show that a swarm has a past, and it waits until all can be back', () => {
    const machine = restarted();
    machine.enter(1, { held: held(PIECES, 0) });
    machine.pass(5_999);
    assert.deepEqual(machine.effects, []);
    machine.pass(1);
    assert.deepEqual(machine.asked, [peerId(1)]);
  });

  it('a swarm that shows no past is granted after two seconds', () => {
    const machine = restarted();
    machine.enter(9);
    machine.pass(2_000);
    machine.holdings(9, held(PIECES));
    assert.equal(machine.lease?.to, peerId(9));
  });

  it('a swarm that is made later is granted at once', () => {
    const machine = restarted();
    machine.pass(2_000);
    machine.enter(9);
    assert.equal(machine.lease?.to, peerId(9));
  });

  it('a holder that comes back after another was granted has an epoch below it', () => {
    const machine = restarted();
    machine.enter(9);
    machine.pass(2_000);
    machine.holdings(9, held(PIECES));
    assert.equal(machine.lease?.epoch, 1_000);
    comeBack(machine, 1, { lease: { epoch: 3, spans: ALL } });
    assert.deepEqual(
      machine.sent('leaseRevoked').map(({ to, epoch }) => [to, epoch]),
      [[peerId(1), 3]],
    );
  });
});
