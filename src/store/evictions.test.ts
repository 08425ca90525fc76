import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '../core/index.ts';
import { chooseEvictions, type EvictionCandidate } from './evictions.ts';

const capacity = { bytes: 1000, high: 0.9, low: 0.8 };

const candidates: fc.Arbitrary<EvictionCandidate[]> = fc
  .array(fc.record({ sizeBytes: fc.integer({ min: 1, max: 300 }), lastUsedAtMs: fc.nat(10) }), {
    maxLength: 10,
  })
  .map((all) => all.map((one, at) => ({ ...one, digest: digestOf('sha256', Buffer.from(`${at}`)) })));

test('nothing is evicted below the high water mark', () => {
  const one = { digest: digestOf('sha256', Buffer.from('1')), sizeBytes: 800, lastUsedAtMs: 0 };
  assert.deepEqual(chooseEvictions([one], 800, 100, capacity), []);
  assert.deepEqual(chooseEvictions([one], 800, 101, capacity), [one.digest]);
});

test('the longest unused go, and no more of them than the low water mark asks for', () => {
  fc.assert(
    fc.property(candidates, fc.nat(500), (all, needed) => {
      const used = all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      const chosen = chooseEvictions(all, used, needed, capacity);
      const gone = all.filter(({ digest }) => chosen.includes(digest));
      const kept = all.filter(({ digest }) => !chosen.includes(digest));
      const left = used + needed - gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      if (used + needed <= 900) return assert.equal(gone.length, 0);
      assert.ok(kept.length === 0 || left <= 800);
      for (const one of gone) for (const other of kept) assert.ok(one.lastUsedAtMs <= other.lastUsedAtMs);
      const last = all.find(({ digest }) => digest === chosen.at(-1));
      assert.ok(!last || left + last.sizeBytes > 800);
    }),
  );
});
