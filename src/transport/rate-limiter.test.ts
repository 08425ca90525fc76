import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KiB, MiB } from '../core/index.ts';
import { RateLimiter } from './rate-limiter.ts';

/** Passes chunks one after the other on a clock of its own; returns when the last one passed. */
function drain(limiter: RateLimiter, chunks: readonly number[], startMs: number): number {
  let nowMs = startMs;
  for (const chunk of chunks) {
    const position = limiter.book(chunk, nowMs);
    for (let waitMs = limiter.waitMs(position, nowMs); waitMs > 0; waitMs = limiter.waitMs(position, nowMs)) {
      nowMs += waitMs;
    }
  }
  return nowMs;
}

test('without a rate nothing waits', () => {
  const limiter = new RateLimiter(undefined, 0);
  assert.equal(
    drain(
      limiter,
      Array.from({ length: 100 }, () => 16 * MiB),
      0,
    ),
    0,
  );
  assert.equal(limiter.stepBytes(MiB), MiB);
});

test('over time bytes pass at the rate, but for one burst', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 64 * KiB, max: 1024 * MiB }),
      fc.array(fc.integer({ min: 1, max: MiB }), { minLength: 1, maxLength: 50 }),
      (rate, chunks) => {
        const limiter = new RateLimiter(rate, 0);
        const endMs = drain(limiter, chunks, 0);
        const bytes = chunks.reduce((sum, chunk) => sum + chunk, 0);
        const burst = Math.min(4 * MiB, Math.max(16 * KiB, rate / 10));
        const expectedMs = Math.max(0, ((bytes - burst) * 1000) / rate);
        assert.ok(endMs >= expectedMs - 0.001, `${endMs} ms, not ${expectedMs}`);
        // A wait is never under 1 ms, and what is gained by it is not lost.
        assert.ok(endMs <= expectedMs + 1.001, `${endMs} ms, not ${expectedMs}`);
      },
    ),
  );
});

test('idle time gives a burst and no more', () => {
  const limiter = new RateLimiter(10 * MiB, 0);
  limiter.waitMs(limiter.book(MiB, 0), 0);
  const hourMs = 3_600_000;
  assert.equal(limiter.waitMs(limiter.book(MiB, hourMs), hourMs), 0);
  assert.ok(limiter.waitMs(limiter.book(MiB, hourMs), hourMs) > 90);
});

test('a change of the rate is felt by those who wait', () => {
  const limiter = new RateLimiter(1 * KiB, 0);
  const position = limiter.book(MiB, 0);
  assert.equal(limiter.waitMs(position, 0), 250, 'long waits are asked about again');
  limiter.setRate(100 * MiB, 250);
  const waitMs = limiter.waitMs(position, 250);
  assert.ok(waitMs < 11, `${waitMs} ms`);
  limiter.setRate(undefined, 251);
  assert.equal(limiter.waitMs(position, 251), 0);
  limiter.setRate(1 * MiB, 252);
  assert.ok(limiter.waitMs(limiter.book(10 * MiB, 252), 252) > 0);
});

test('steps shrink with the rate', () => {
  assert.equal(new RateLimiter(1 * MiB, 0).stepBytes(512 * KiB), Math.floor((1 * MiB) / 20));
  assert.equal(new RateLimiter(1, 0).stepBytes(512 * KiB), 16 * KiB);
  assert.equal(new RateLimiter(1024 * MiB, 0).stepBytes(512 * KiB), 512 * KiB);
});
