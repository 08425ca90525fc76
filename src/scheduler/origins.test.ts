import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ErrorRecord, MiB } from '../core/index.ts';
import { held, MachineHarness, PIECES, peerId, snapshotId } from './machine-harness.ts';

const ALL = [{ start: 0, end: PIECES }];
const LARGE = { totalBytes: PIECES * 64 * MiB };
const refusal: ErrorRecord = { code: 'rate_limited', message: 'too many requests', hint: '', details: {} };

describe('an origin that asks to wait', () => {
  it('has every reader of it wait, and those of another origin read on', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2, { snapshot: snapshotId(2) });
    machine.enter(3, { snapshot: snapshotId(3), origin: 'other.example' });
    machine.throttled(1, 7_000);
    assert.deepEqual(
      machine.sent('originShare').map(({ to, origin, pauseMs }) => [to, origin, pauseMs]),
      [
        [peerId(1), 'hub.example', 7_000],
        [peerId(2), 'hub.example', 7_000],
      ],
    );
  });

  it('has nobody granted a lease there until then', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.throttled(1, 7_000);
    machine.enter(2, { snapshot: snapshotId(2) });
    assert.deepEqual(machine.sent('lease'), []);
    machine.pass(6_999);
    assert.deepEqual(machine.sent('lease'), []);
    machine.pass(1);
    assert.equal(machine.lease?.to, peerId(2));
  });

  it('is waited for, and not left to the next member, where it refuses a reader', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.throttled(1, 12_000);
    machine.leaseDone(1, 1, refusal);
    machine.pass(11_999);
    assert.deepEqual([machine.asked, machine.sent('swarmFailed')], [[], []]);
    machine.pass(1);
    for (const to of machine.asked) machine.holdings(Number.parseInt(to, 16), held(PIECES, 0));
    assert.deepEqual(machine.lease, { to: peerId(1), epoch: 2, spans: [{ start: 1, end: PIECES }] });
  });

  it('is given 30 s where it refuses without saying for how long', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.leaseDone(1, 1, refusal);
    machine.pass(29_999);
    assert.deepEqual(machine.asked, []);
    machine.pass(1);
    assert.deepEqual(machine.asked, [peerId(1)]);
  });

  it('does not make a waiting reader look stalled', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.throttled(1, 100_000);
    machine.pass(279_999);
    assert.deepEqual(machine.sent('leaseRevoked'), []);
    machine.pass(1);
    assert.equal(machine.sent('leaseRevoked').length, 1);
  });

  it('is believed for an hour at most, and only where somebody reads there', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.throttled(1, Number.POSITIVE_INFINITY);
    assert.equal(machine.sent('originShare')[0]?.pauseMs, 3_600_000);
    machine.announce(2);
    machine.throttled(2, 5_000);
    machine.throttled(1, Number.NaN);
    assert.deepEqual(machine.effects, []);
  });
});

describe('a budget for an origin', () => {
  const limits = { originConnections: 3, originBytesPerSecond: 100, originRequestsPerMinute: 31 };

  it('is shared by who reads there, and again when one ends', () => {
    const machine = new MachineHarness({ limits });
    machine.enter(1);
    machine.enter(2, { snapshot: snapshotId(2) });
    const shares = machine
      .sent('originShare')
      .map(({ to, connections, bytesPerSecond, requestsPerMinute }) => ({
        to,
        parts: [connections, bytesPerSecond, requestsPerMinute],
      }));
    assert.deepEqual(shares, [
      { to: peerId(1), parts: [2, 50, 16] },
      { to: peerId(2), parts: [1, 50, 15] },
    ]);
    machine.leaseDone(1, 1);
    assert.deepEqual(
      machine.sent('originShare').map(({ to, connections }) => [to, connections]),
      [[peerId(2), 3]],
    );
  });

  it('has no more readers than connections; the next reads when one has ended', () => {
    const machine = new MachineHarness({ limits: { originConnections: 1 } });
    machine.enter(1);
    machine.enter(2, { snapshot: snapshotId(2) });
    assert.deepEqual(machine.sent('lease'), []);
    machine.leaseDone(1, 1);
    machine.pass(1_000);
    assert.deepEqual(machine.lease, { to: peerId(2), epoch: 1, spans: ALL });
  });

  it('lets one peer read for several swarms', () => {
    const machine = new MachineHarness({ limits: { originConnections: 1 } });
    machine.enter(1);
    machine.join(1, { snapshot: snapshotId(2) });
    assert.equal(machine.lease?.to, peerId(1));
  });

  it('has no second seed share what it has no connection for', () => {
    const machine = new MachineHarness({ limits: { originConnections: 1 } });
    machine.enter(1, { role: 'seed', ...LARGE });
    machine.enter(2, { role: 'seed', ...LARGE });
    assert.deepEqual(machine.sent('yieldLease'), []);
  });

  it('is not spoken of where there is none', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    assert.deepEqual(machine.sent('originShare'), []);
  });
});
