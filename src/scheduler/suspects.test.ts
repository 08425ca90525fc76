import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { full, held, MachineHarness, PIECES, peerId, SNAPSHOT } from './machine-harness.ts';

const ALL = [{ start: 0, end: PIECES }];

/** Peer 1 has read everything and left nobody else to get it from. */
function soleHolder(): MachineHarness {
  const machine = new MachineHarness();
  for (const number of [1, 2, 3]) machine.enter(number);
  machine.leaseDone(1, 1);
  return machine;
}

describe('a holder that members on two hosts name for wrong bytes', () => {
  function condemned(): MachineHarness {
    const machine = soleHolder();
    machine.suspect(2, 1);
    assert.deepEqual(machine.effects, [], 'one word is not enough');
    machine.suspect(3, 1);
    return machine;
  }

  it('holds nothing for anybody: what it had is read again by another', () => {
    const machine = condemned();
    assert.deepEqual(machine.asked, [1, 2, 3].map(peerId));
    machine.holdings(1, full(PIECES));
    machine.holdings(2, held(PIECES, 0));
    machine.holdings(3, held(PIECES, 0));
    assert.deepEqual(machine.lease, { to: peerId(2), epoch: 2, spans: [{ start: 1, end: 8 }] });
  });

  it('is nobody’s neighbour any more, whatever it says, but may take', () => {
    const machine = condemned();
    machine.enter(4);
    const [told] = machine.sent('neighbours');
    assert.ok(told?.peers.length === 2 && told.peers.every(({ id }) => id !== peerId(1)));
    machine.enter(1, { held: full(PIECES) });
    assert.equal(machine.sent('neighbours')[0]?.peers.length, 3);
    assert.equal(machine.state.swarms.get(SNAPSHOT)?.availability.fullCount, 0);
  });

  it('gets no lease and keeps none', () => {
    const machine = new MachineHarness();
    for (const number of [1, 2, 3]) machine.enter(number);
    machine.suspect(2, 1);
    machine.suspect(3, 1);
    assert.deepEqual(machine.sent('leaseRevoked'), [
      { kind: 'leaseRevoked', to: peerId(1), snapshot: SNAPSHOT, epoch: 1 },
    ]);
    machine.enter(1, { lease: { epoch: 1, spans: ALL } });
    assert.equal(machine.sent('leaseRevoked').length, 1);
    machine.leave(2);
    machine.leave(3);
    machine.pass(60_000);
    assert.equal(machine.lease, undefined);
  });

  it('is like any other after ten minutes, once it joins again', () => {
    const machine = condemned();
    machine.pass(600_000);
    machine.leave(1);
    machine.join(1, { held: full(PIECES) });
    assert.equal(machine.state.swarms.get(SNAPSHOT)?.availability.fullCount, 1);
  });
});

describe('an accusation', () => {
  it('counts once a host, however many daemons it runs', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    for (const number of [2, 3, 4]) machine.enter(number, { host: '10.9.9.9' });
    machine.enter(5);
    machine.leaseDone(1, 1);
    for (const number of [2, 3, 4]) machine.suspect(number, 1);
    assert.equal(machine.state.condemned.size, 0);
    machine.suspect(5, 1);
    assert.equal(machine.state.condemned.size, 1);
  });

  it('is enough alone where only one host could have asked', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.enter(3, { held: full(PIECES) });
    machine.suspect(2, 1);
    assert.equal(machine.state.condemned.has(peerId(1)), true);
  });

  it('of oneself, of strangers, or by strangers and the condemned is void', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.suspect(1, 1);
    machine.suspect(1, 9);
    machine.announce(9);
    machine.suspect(9, 1);
    assert.equal(machine.state.condemned.size, 0);
    machine.suspect(2, 1);
    machine.suspect(1, 2);
    assert.deepEqual([...machine.state.condemned.keys()], [peerId(1)]);
  });
});
