import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Digest, digestOf } from '../core/index.ts';
import { chooseEvictions, type EvictionCandidate } from './evictions.ts';

const capacity = { bytes: 1000, high: 0.9, low: 0.8 };

const candidates: fc.Arbitrary<EvictionCandidate[]> = fc
  .array(fc.record({ usedBytes: fc.integer({ min: 1, max: 300 }), lastUsedAtMs: fc.nat(10) }), {
    maxLength: 10,
  })
  .map((all) => all.map((one, at) => ({ ...one, digest: digestOf('sha256', Buffer.from(`${at}`)) })));

/** All that is chosen where those of `stuck` can't be evicted. */
function choose(
  candidates: readonly EvictionCandidate[],
  usedBytes: number,
  neededBytes: number,
  stuck: readonly Digest[] = [],
): Digest[] {
  const evictions = chooseEvictions(candidates, usedBytes, neededBytes, capacity);
  const chosen: Digest[] = [];
  for (
    let next = evictions.next();
    !next.done;
    next = evictions.next(!stuck.includes(chosen.at(-1) ?? next.value))
  ) {
    chosen.push(next.value);
  }
  return chosen;
}

test('nothing is evicted below the high water mark', () => {
  const one = { digest: digestOf('sha256', Buffer.from('1')), usedBytes: 800, lastUsedAtMs: 0 };
  assert.deepEqual(choose([one], 800, 100), []);
  assert.deepEqual(choose([one], 800, 101), [one.digest]);
});

test('the longest unused go, and no more of them than the low water mark asks for', () => {
  fc.assert(
    fc.property(candidates, fc.nat(500), (all, needed) => {
      const used = all.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
      const chosen = choose(all, used, needed);
      const gone = all.filter(({ digest }) => chosen.includes(digest));
      const kept = all.filter(({ digest }) => !chosen.includes(digest));
      const left = used + needed - gone.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
      if (used + needed <= 900) return assert.equal(gone.length, 0);
      assert.ok(kept.length === 0 || left <= 800);
      for (const one of gone) for (const other of kept) assert.ok(one.lastUsedAtMs <= other.lastUsedAtMs);
      const last = all.find(({ digest }) => digest === chosen.at(-1));
      assert.ok(!last || left + last.usedBytes > 800);
    }),
  );
});

test('in the place of one that cannot be evicted goes the next', () => {
  const all = [1, 2, 3].map((at) => ({
    digest: digestOf('sha256', Buffer.from(`${at}`)),
    usedBytes: 300,
    lastUsedAtMs: at,
  }));
  const digests = all.map(({ digest }) => digest);
  assert.deepEqual(choose(all, 900, 100), digests.slice(0, 1));
  assert.deepEqual(choose(all, 900, 100, digests.slice(0, 1)), digests.slice(0, 2));
  assert.deepEqual(choose(all, 900, 100, digests), digests);
});
