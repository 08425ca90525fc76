import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GiB, KiB, MiB } from '../core/index.ts';
import { ByteRate } from './byte-rate.ts';
import { nowNs, RateGate } from './rate-gate.ts';

const NEVER = new AbortController().signal;

function gateAt(bytesPerSecond: number) {
  const rate = new ByteRate();
  rate.set(bytesPerSecond, nowNs());
  return { rate, gate: new RateGate(rate) };
}

test('what fits the rate passes at once', () => {
  assert.equal(new RateGate(new ByteRate()).pass(GiB, NEVER), undefined);
  assert.equal(gateAt(10 * MiB).gate.pass(512 * KiB, NEVER), undefined);
});

test('who waits for ages passes soon after the limit was lifted, or raised', async () => {
  for (const after of [undefined, 100 * GiB]) {
    const { rate, gate } = gateAt(1);
    const passed = gate.pass(MiB, NEVER);
    assert.ok(passed);
    rate.set(after, nowNs());
    await passed;
  }
});

test('a wait can be given up', async () => {
  const abort = new AbortController();
  const passed = gateAt(1).gate.pass(MiB, abort.signal);
  abort.abort(new Error('no more'));
  await assert.rejects(passed ?? assert.fail(), { message: 'no more' });
});
