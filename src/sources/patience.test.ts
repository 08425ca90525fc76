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
