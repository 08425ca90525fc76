import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AnaxError, hasCode } from '../core/index.ts';
import { createFakeClock } from '../testing/source-conformance/index.ts';
import { Patience } from './patience.ts';
import { defaultRetryLimits } from './retry-policy.ts';

function start() {
  const clock = createFakeClock();
  const { signal } = new AbortController();
  return { clock, patience: new Patience({ clock, random: () => 0, limits: defaultRetryLimits, signal }) };
}

const FAILURE = new AnaxError('origin_unavailable', 'it answered 503', { details: { status: 503 } });

describe('patience', () => {
  it('adds waits up: what was waited for one thing is not there for another', async () => {
    const { clock, patience } = start();
    await patience.retryAfter(FAILURE, 200_000);
    await assert.rejects(patience.retryAfter(FAILURE, 100_001), (error) =>
      hasCode(error, 'origin_unavailable'),
    );
    await patience.holdBack(100_000, 'hub');
    await assert.rejects(patience.holdBack(1, 'hub'), (error) => hasCode(error, 'rate_limited'));
    assert.deepEqual(clock.sleeps, [200_000, 100_000]);
  });

  it('says whose wait was too long', async () => {
    const asked = start();
    await assert.rejects(
      asked.patience.retryAfter(FAILURE, 400_000),
      /; it asks to wait 400 s; the limit is 300 s/u,
    );
    const own = start();
    await own.patience.retryAfter(FAILURE, 300_000);
    const impatient = { ...defaultRetryLimits, maxRetryWaitMs: 0 };
    const { signal } = new AbortController();
    const deps = { clock: own.clock, random: () => 0.9, limits: impatient, signal };
    await assert.rejects(new Patience(deps).retryAfter(FAILURE), /after 1 attempt; the limit is 0 s/u);
  });

  it('ends with the last error, saying how often it was tried', async () => {
    const { patience } = start();
    for (let attempt = 1; attempt < 6; attempt += 1) await patience.retryAfter(FAILURE);
    await assert.rejects(patience.retryAfter(FAILURE), (error) => {
      assert.ok(hasCode(error, 'origin_unavailable'));
      assert.equal(error.message, `${FAILURE.message}; after 6 attempts`);
      assert.deepEqual(error.details, { status: 503, attempts: 6 });
      return true;
    });
  });
});
