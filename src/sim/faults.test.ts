import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '../core/index.ts';
import type { SimOptions } from './options.ts';
import { simulate } from './simulate.ts';

/** Slow links, so that a delivery lasts longer than the time-outs. */
const SLOW = {
  peers: 16,
  pieces: 48,
  linkBytesPerSecond: 2_000_000,
  originBytesPerSecond: 2_000_000,
  // So that seeds share even the few pieces there are.
  scheduler: { minSharedBytes: 2 * MiB },
  swarm: { minYieldBytes: MiB },
};

/** The command that shows a failing seed again. */
function replay(seed: number, { zones = 1, slow = 0, seeds = 1 }: Partial<SimOptions>): string {
  const { peers, pieces } = SLOW;
  return `npm run sim -- --peers ${peers} --pieces ${pieces} --mbit 16 --zones ${zones} --slow ${slow} --seed-peers ${seeds} --share-mib 1 --faults --seed ${seed}`;
}

for (const options of [
  {},
  { zones: 3 },
  { slow: 0.2 },
  { seeds: 3 },
  { seeds: 0 },
] satisfies Partial<SimOptions>[]) {
  test(`whatever fails, the rules hold and all complete in the end (${JSON.stringify(options)})`, () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const result = simulate({ ...SLOW, ...options, seed, faults: true });
      assert.equal(result.violation, undefined, `${result.violation}; ${replay(seed, options)}`);
      assert.ok(result.faults > 0, 'something failed');
    }
  });
}

test('a liar that is elected while the scheduler is away is told of when that is back', () => {
  const { peers, pieces, linkBytesPerSecond, originBytesPerSecond } = SLOW;
  const options = { peers, pieces, linkBytesPerSecond, originBytesPerSecond };
  const { violation } = simulate({ ...options, seed: 5_008_123, faults: true });
  assert.equal(violation, undefined);
});
