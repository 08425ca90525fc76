import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { full, held, MachineHarness, PIECES, peerId, SNAPSHOT } from './machine-harness.ts';

const READER = new Uint8Array(32).fill(7);

/** A scheduler with a new key, where there was one with another. */
function restarted(): MachineHarness {
  const machine = new MachineHarness({ epochBase: 1_000, limits: { startSettleMs: 2_000 } });
  machine.send({ kind: 'tick' });
  return machine;
}

function told(machine: MachineHarness): (string | Uint8Array)[][] {
  return machine.sent('trust').map(({ to, readerKey }) => [to, readerKey]);
}

describe('a reader of before', () => {
  it('that members on two hosts name is believed once all can be back, also by who comes later', () => {
    const machine = restarted();
    machine.enter(1, { held: full(PIECES), readers: [READER] });
    machine.enter(2, { held: held(PIECES, 0), readers: [READER] });
    assert.deepEqual(told(machine), []);
    machine.pass(6_000);
    assert.deepEqual(told(machine), [
      [peerId(1), READER],
      [peerId(2), READER],
    ]);
    machine.enter(3);
    assert.deepEqual(told(machine), [[peerId(3), READER]]);
    machine.pass(1_000);
    assert.deepEqual(told(machine), []);
  });

  it('is believed by one host’s word where only that one has pieces', () => {
    const machine = restarted();
    machine.enter(1, { held: full(PIECES), readers: [READER] });
    machine.enter(2);
    machine.pass(6_000);
    assert.equal(told(machine).length, 2);
  });

  it('is not believed where one of two hosts with pieces names it', () => {
    const machine = restarted();
    machine.enter(1, { held: full(PIECES), readers: [READER] });
    machine.enter(2, { held: held(PIECES, 0) });
    machine.pass(60_000);
    assert.deepEqual(told(machine), []);
    machine.enter(3, { held: held(PIECES, 1), readers: [READER] });
    assert.equal(told(machine).length, 3);
  });

  it('is not believed by the word of who has no pieces, or names no key', () => {
    const machine = restarted();
    machine.enter(1, { readers: [READER] });
    machine.enter(2, { held: full(PIECES), readers: [new Uint8Array(31)] });
    machine.pass(6_000);
    assert.deepEqual(told(machine), []);
    assert.equal(machine.state.swarms.get(SNAPSHOT)?.vouched.size, 0);
  });

  it('is not heard of any more ten minutes after the start; and no more than sixteen are considered', () => {
    const machine = restarted();
    const many = Array.from({ length: 40 }, (_, at) => new Uint8Array(32).fill(at));
    machine.enter(1, { held: full(PIECES), readers: many });
    assert.equal(machine.state.swarms.get(SNAPSHOT)?.vouched.size, 16);
    const late = restarted();
    late.pass(600_000);
    late.enter(1, { held: full(PIECES), readers: [READER] });
    late.pass(6_000);
    assert.deepEqual(told(late), []);
  });
});
