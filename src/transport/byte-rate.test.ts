import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KiB, MiB } from '../core/index.ts';
import { ByteRate } from './byte-rate.ts';

function rateOf(bytesPerSecond: number | undefined): ByteRate {
  const rate = new ByteRate();
  rate.set(bytesPerSecond, atMs(0));
  return rate;
}

/** The clock began long ago. */
const atMs = (ms: number): bigint => BigInt(Math.round(ms * 1e6)) + 10n ** 15n;

/** Passes chunks one after the other on a clock of its own, at the rates in turns; returns when the last one passed. */
function drain(rates: readonly ByteRate[], chunks: readonly number[]): number {
  let nowMs = 0;
  for (const [at, chunk] of chunks.entries()) {
    const rate = rates[at % rates.length] ?? assert.fail();
    const turn = rate.book(chunk, atMs(nowMs));
    for (let ms = rate.waitMs(turn, atMs(nowMs)); ms > 0; ms = rate.waitMs(turn, atMs(nowMs))) nowMs += ms;
  }
  return nowMs;
}

test('without a rate nothing waits', () => {
  const rate = new ByteRate();
  assert.equal(
    drain(
      [rate],
      Array.from({ length: 100 }, () => 16 * MiB),
    ),
    0,
  );
  assert.equal(rate.stepBytes(MiB), MiB);
  assert.equal(rate.bytesPerSecond, undefined);
});

test('over time bytes pass at the rate, but for one burst, however many share it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 64 * KiB, max: 1024 * MiB }),
      fc.array(fc.integer({ min: 1, max: MiB }), { minLength: 1, maxLength: 50 }),
      fc.integer({ min: 1, max: 4 }),
      (bytesPerSecond, chunks, threads) => {
        const first = rateOf(bytesPerSecond);
        const others = Array.from({ length: threads - 1 }, () => new ByteRate(first.state));
        const endMs = drain([first, ...others], chunks);
        const bytes = chunks.reduce((sum, chunk) => sum + chunk, 0);
        const burst = Math.min(4 * MiB, Math.max(rateOf(bytesPerSecond).stepBytes(MiB), bytesPerSecond / 10));
        const expectedMs = Math.max(0, ((bytes - burst) * 1000) / bytesPerSecond);
        assert.ok(endMs >= expectedMs - 0.001, `${endMs} ms, not ${expectedMs}`);
        // A wait is whole milliseconds, and what is gained by it is not lost.
        assert.ok(endMs <= expectedMs + 1.001, `${endMs} ms, not ${expectedMs}`);
      },
    ),
  );
});

test('idle time gives a burst and no more', () => {
  const rate = rateOf(10 * MiB);
  rate.book(MiB, atMs(0));
  const later = atMs(3_600_000);
  assert.equal(rate.waitMs(rate.book(MiB, later), later), 0);
  assert.ok(rate.waitMs(rate.book(MiB, later), later) > 90);
});

test('a change of the rate is felt by those who wait', () => {
  const rate = rateOf(1 * KiB);
  const turn = rate.book(MiB, atMs(0));
  assert.equal(rate.waitMs(turn, atMs(0)), 250, 'long waits are asked about again');
  assert.equal(rate.isVoid(turn), false);
  new ByteRate(rate.state).set(100 * MiB, atMs(250));
  assert.equal(rate.isVoid(turn), true);
  const again = rate.book(MiB, atMs(250));
  assert.ok(rate.waitMs(again, atMs(250)) < 11);
  rate.set(undefined, atMs(251));
  assert.equal(rate.waitMs(rate.book(MiB, atMs(251)), atMs(251)), 0);
  rate.set(1 * MiB, atMs(252));
  assert.equal(rate.bytesPerSecond, 1 * MiB);
  assert.ok(rate.waitMs(rate.book(10 * MiB, atMs(252)), atMs(252)) > 0);
});

test('steps shrink with the rate', () => {
  assert.equal(rateOf(2 * MiB).stepBytes(512 * KiB), Math.floor((2 * MiB) / 20));
  assert.equal(rateOf(1 * MiB).stepBytes(512 * KiB), 64 * KiB);
  assert.equal(rateOf(200_000).stepBytes(512 * KiB), 50_000);
  assert.equal(rateOf(1).stepBytes(512 * KiB), 16 * KiB);
  assert.equal(rateOf(1024 * MiB).stepBytes(512 * KiB), 512 * KiB);
});
