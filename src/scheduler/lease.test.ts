import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failure, full, held, MachineHarness, PIECES, peerId, SNAPSHOT } from './machine-harness.ts';

const ALL = [{ start: 0, end: PIECES }];

describe('the first lease of a swarm', () => {
  it('goes at once to the first member, for everything', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    assert.deepEqual(machine.lease, { to: peerId(1), epoch: 1, spans: ALL });
    machine.enter(2);
    assert.equal(machine.lease, undefined);
  });

  it('is for what no member holds', () => {
    const machine = new MachineHarness();
    machine.send({ kind: 'tick' });
    machine.pass(10_000);
    machine.enter(1, { held: held(PIECES, 0, 3) });
    assert.deepEqual(machine.lease?.spans, [
      { start: 1, end: 3 },
      { start: 4, end: 8 },
    ]);
  });

  it('is not granted where a member holds everything', () => {
    const machine = new MachineHarness();
    machine.send({ kind: 'tick' });
    machine.pass(10_000);
    machine.enter(1, { held: full(PIECES) });
    machine.enter(2);
    assert.equal(machine.lease, undefined);
  });

  it('starts at the epoch base', () => {
    const machine = new MachineHarness({ epochBase: 1_700_000_000_000 });
    machine.enter(1);
    assert.equal(machine.lease?.epoch, 1_700_000_000_000);
  });
});

describe('a lease that is done', () => {
  it('makes its spans held, so that a later loss of another member costs nothing', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.leaseDone(1, 1);
    machine.gone(2);
    machine.enter(3);
    assert.deepEqual([machine.lease, machine.asked], [undefined, []]);
  });

  it('is ignored from a peer that does not hold it, or with another epoch', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.leaseDone(2, 1);
    machine.leaseDone(1, 7);
    machine.gone(1);
    assert.deepEqual(machine.asked, [peerId(2)]);
  });

  it('is followed by questions after 30 s in which members stay incomplete', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.leaseDone(1, 1);
    for (let second = 1; second < 30; second += 1) machine.pass(1_000);
    assert.deepEqual(machine.asked, []);
    machine.pass(1_000);
    assert.deepEqual(machine.asked, [peerId(1), peerId(2)]);
    machine.holdings(1, held(PIECES, 0, 1, 2, 3, 4, 5, 6));
    machine.holdings(2, held(PIECES, 0));
    assert.deepEqual(machine.lease, { to: peerId(1), epoch: 2, spans: [{ start: 7, end: 8 }] });
  });
});

describe('a holder that is lost', () => {
  function losing(): MachineHarness {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.enter(3);
    machine.gone(1);
    return machine;
  }

  it('makes every member report, then one of them read what none has', () => {
    const machine = losing();
    assert.deepEqual(machine.asked, [peerId(2), peerId(3)]);
    assert.deepEqual(machine.sent('reportHoldings')[0]?.holders, [peerId(1)]);
    machine.holdings(2, held(PIECES, 0, 1));
    assert.equal(machine.lease, undefined);
    machine.holdings(3, held(PIECES, 1, 2, 3));
    assert.deepEqual(machine.lease, { to: peerId(3), epoch: 2, spans: [{ start: 4, end: 8 }] });
  });

  it('does not wait longer than the settling time for answers', () => {
    const machine = losing();
    machine.holdings(2, held(PIECES, 0));
    machine.pass(1_999);
    assert.deepEqual(machine.sent('lease'), []);
    machine.pass(1);
    assert.deepEqual(machine.lease?.spans, [{ start: 1, end: 8 }]);
  });

  it('costs no lease where the members hold everything between them', () => {
    const machine = losing();
    machine.holdings(2, held(PIECES, 0, 1, 2, 3));
    machine.holdings(3, held(PIECES, 4, 5, 6, 7));
    assert.equal(machine.lease, undefined);
  });

  it('keeps its lease while a member still gets pieces from it, and is asked about again', () => {
    const machine = losing();
    machine.holdings(2, held(PIECES, 0), 1);
    machine.holdings(3, held(PIECES));
    assert.deepEqual(machine.sent('lease'), []);
    machine.pass(2_000);
    assert.deepEqual(machine.asked, [peerId(2), peerId(3)]);
    machine.holdings(2, held(PIECES, 0, 1));
    machine.holdings(3, held(PIECES));
    assert.deepEqual(machine.lease?.spans, [{ start: 2, end: 8 }]);
  });

  it('takes its lease up again when it comes back before another was granted', () => {
    const machine = losing();
    machine.enter(1, { lease: { epoch: 1, spans: ALL } });
    machine.pass(2_000);
    assert.deepEqual([machine.lease, machine.asked], [undefined, []]);
    machine.leaseDone(1, 1);
    machine.pass(1_000);
    assert.deepEqual([machine.lease, machine.asked], [undefined, []]);
  });

  it('is told that another reads when it comes back too late', () => {
    const machine = losing();
    machine.pass(2_000);
    assert.equal(machine.lease?.epoch, 2);
    machine.enter(1, { lease: { epoch: 1, spans: ALL }, held: held(PIECES, 0) });
    assert.deepEqual(machine.sent('leaseRevoked'), [
      { kind: 'leaseRevoked', to: peerId(1), snapshot: SNAPSHOT, epoch: 1 },
    ]);
    machine.leaseDone(1, 1);
    machine.gone(3);
    assert.deepEqual(machine.asked, [], 'the lease is still that of peer 2');
  });

  it('that left by itself is not waited for', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.leave(1);
    assert.deepEqual(machine.sent('reportHoldings')[0]?.holders, []);
    machine.holdings(2, held(PIECES, 0), 1);
    assert.deepEqual(machine.lease, { to: peerId(2), epoch: 2, spans: [{ start: 1, end: 8 }] });
  });

  it('that joins again without its lease has lost it', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.enter(1, { held: held(PIECES, 0) });
    assert.deepEqual(machine.asked, [peerId(1), peerId(2)]);
    machine.holdings(1, held(PIECES, 0));
    machine.holdings(2, held(PIECES, 1));
    assert.deepEqual(machine.lease, { to: peerId(1), epoch: 2, spans: [{ start: 2, end: 8 }] });
  });

  it('is noticed by its silence', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.pass(14_000, { silent: [1] });
    assert.deepEqual(machine.asked, []);
    machine.pass(1_000, { silent: [1] });
    assert.deepEqual(machine.asked, [peerId(2)]);
  });

  it('and was the last member leaves the next one to read just what that one lacks', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.gone(1);
    machine.enter(2, { held: held(PIECES, 0) });
    assert.deepEqual(machine.asked, [peerId(2)]);
    machine.holdings(2, held(PIECES, 0, 1));
    assert.deepEqual(machine.lease, { to: peerId(2), epoch: 2, spans: [{ start: 2, end: 8 }] });
  });
});

describe('a member that leaves while nobody reads', () => {
  it('makes the others report, at most once a settling time', () => {
    const machine = new MachineHarness();
    for (const number of [1, 2, 3, 4]) machine.enter(number);
    machine.leaseDone(1, 1);
    machine.gone(1);
    assert.deepEqual(machine.asked, [peerId(2), peerId(3), peerId(4)]);
    machine.holdings(2, held(PIECES, 0, 1, 2, 3));
    machine.holdings(3, held(PIECES, 4, 5, 6, 7));
    machine.holdings(4, held(PIECES, 4));
    machine.gone(2);
    assert.deepEqual(machine.asked, []);
    machine.pass(2_000);
    assert.deepEqual(machine.asked, [peerId(3), peerId(4)]);
    machine.pass(2_000);
    assert.deepEqual(machine.lease, { to: peerId(3), epoch: 2, spans: [{ start: 0, end: 4 }] });
  });
});

describe('seeds', () => {
  it('read before other members do', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2, { role: 'seed' });
    machine.enter(3, { held: held(PIECES, 0, 1, 2) });
    machine.gone(1);
    machine.holdings(2, held(PIECES));
    machine.holdings(3, held(PIECES, 0, 1, 2));
    assert.deepEqual(machine.lease, { to: peerId(2), epoch: 2, spans: [{ start: 3, end: 8 }] });
  });
});

describe('a holder that fails', () => {
  function failing(...numbers: number[]): MachineHarness {
    const machine = new MachineHarness();
    for (const number of numbers) machine.enter(number);
    return machine;
  }

  /** All members answer that they hold nothing. */
  function answer(machine: MachineHarness): void {
    for (const to of machine.asked) machine.holdings(Number.parseInt(to, 16), held(PIECES));
  }

  it('is followed by another, and what it has read is not read again', () => {
    const machine = failing(1, 2);
    machine.leaseDone(1, 1, failure);
    machine.holdings(1, held(PIECES, 0, 1, 2));
    machine.holdings(2, held(PIECES, 0));
    assert.deepEqual(machine.lease, { to: peerId(2), epoch: 2, spans: [{ start: 3, end: 8 }] });
  });

  it('and has no other makes the swarm fail with its error', () => {
    const machine = failing(1);
    machine.leaseDone(1, 1, failure);
    assert.deepEqual(machine.effects, [
      { kind: 'swarmFailed', to: peerId(1), snapshot: SNAPSHOT, error: failure },
    ]);
  });

  it('three times over makes the swarm fail for every member, though a fourth could try', () => {
    const machine = failing(1, 2, 3, 4);
    for (const number of [1, 2]) {
      machine.leaseDone(number, number, failure);
      answer(machine);
      assert.equal(machine.lease?.to, peerId(number + 1));
    }
    machine.leaseDone(3, 3, failure);
    assert.deepEqual(
      machine.sent('swarmFailed').map(({ to }) => to),
      [1, 2, 3, 4].map(peerId),
    );
    assert.equal(machine.effects.length, 4);
  });

  it('does not matter where another member has everything by then', () => {
    const machine = failing(1, 2);
    machine.holdings(2, full(PIECES));
    machine.leaseDone(1, 1, failure);
    assert.deepEqual(machine.effects, []);
  });

  it('is not asked to read again until a join starts the swarm afresh, ten seconds later', () => {
    const machine = failing(1);
    machine.leaseDone(1, 1, failure);
    machine.pass(20_000);
    assert.deepEqual(machine.effects, [], 'nobody wants it');
    machine.join(1);
    answer(machine);
    assert.deepEqual(machine.lease, { to: peerId(1), epoch: 2, spans: ALL });
    machine.leaseDone(1, 2, failure);
    machine.join(1);
    assert.deepEqual(machine.asked, []);
    machine.pass(9_999);
    assert.deepEqual(machine.asked, []);
    machine.pass(1);
    assert.deepEqual(machine.asked, [peerId(1)]);
    answer(machine);
    assert.equal(machine.lease?.epoch, 3);
  });
});

describe('epochs', () => {
  it('go on rising after the swarm was forgotten', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.gone(1);
    machine.pass(600_000);
    assert.equal(machine.state.swarms.size, 0);
    machine.enter(1);
    assert.equal(machine.lease?.epoch, 2);
  });
});
