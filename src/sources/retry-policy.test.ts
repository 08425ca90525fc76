import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  askedWaitMs,
  backoffMs,
  decideRetry,
  isRetryableStatus,
  defaultRetryLimits as limits,
  parseRateLimit,
  parseRetryAfter,
} from './retry-policy.ts';

const NOW = Date.UTC(2026, 9, 1, 12);

describe('retry policy', () => {
  it('reads Retry-After as seconds and as a date', () => {
    assert.equal(parseRetryAfter('30', NOW), 30_000);
    assert.equal(parseRetryAfter(' 0 ', NOW), 0);
    assert.equal(parseRetryAfter('Thu, 01 Oct 2026 12:01:00 GMT', NOW), 60_000);
    assert.equal(parseRetryAfter('Thu, 01 Oct 2026 11:00:00 GMT', NOW), 0);
    for (const odd of [undefined, '', '-5', '1.5', 'soon', '99999999999', '2026-10-01']) {
      assert.equal(parseRetryAfter(odd, NOW), undefined, odd);
    }
  });

  it('reads RateLimit, with the second that the hub needs on top', () => {
    assert.deepEqual(parseRateLimit('"resolvers";r=2998;t=172'), {
      bucket: 'resolvers',
      remaining: 2998,
      resetMs: 173_000,
    });
    assert.deepEqual(parseRateLimit('"api"; r=0; t=5, "other";r=1;t=1')?.resetMs, 6000);
    for (const odd of [undefined, '', 'api;r=1;t=1', '"api";r=1', '"api";r=-1;t=2', '"api";r=x;t=2']) {
      assert.equal(parseRateLimit(odd), undefined, odd);
    }
  });

  it('takes the longer of two wishes, and RateLimit only where it is spent', () => {
    assert.equal(askedWaitMs({ 'retry-after': '5', ratelimit: '"api";r=0;t=9' }, NOW), 10_000);
    assert.equal(askedWaitMs({ 'retry-after': '5', ratelimit: '"api";r=3;t=9' }, NOW), 5000);
    assert.equal(askedWaitMs({ ratelimit: '"api";r=3;t=9' }, NOW), undefined);
    assert.equal(askedWaitMs({}, NOW), undefined);
  });

  it('doubles the bound of random waits up to a maximum', () => {
    const bounds = [1, 2, 3, 20].map((attempts) => backoffMs(attempts, limits, () => 0.999_999));
    assert.deepEqual(bounds, [499, 999, 1999, 29_999]);
    assert.equal(
      backoffMs(5, limits, () => 0),
      0,
    );
  });

  it('never waits less than asked, never beyond the limit, and stops after the last attempt', () => {
    const asked = fc.option(fc.integer({ min: 0, max: 600_000 }), { nil: undefined });
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.nat(300_000),
        asked,
        chance,
        (attempts, waitedMs, askedMs, x) => {
          const verdict = decideRetry({ attempts, waitedMs }, askedMs, limits, () => x);
          if (attempts >= limits.maxAttempts) assert.equal(verdict.kind, 'stop');
          if (verdict.kind === 'stop') return;
          assert.ok(verdict.waitMs >= (askedMs ?? 0));
          assert.ok(waitedMs + verdict.waitMs <= limits.maxRetryWaitMs);
        },
      ),
    );
  });

  it('retries what can pass, and nothing else', () => {
    assert.deepEqual([408, 429, 500, 502, 503, 504].filter(isRetryableStatus).length, 6);
    assert.deepEqual([200, 304, 400, 401, 403, 404, 412, 416, 501, 505].filter(isRetryableStatus), []);
  });
});
