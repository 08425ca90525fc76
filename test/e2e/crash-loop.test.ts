// kill -9 during downloads, ten times; `npm run crash` does it as often as wanted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CRASH_DEFAULTS, runCrashLoop } from '../../src/testing/crash-loop/index.ts';
import { temporaryFolder } from './support.ts';

const KILLS = 10;

test(`killed ${KILLS} times at random moments, a store has all that was verified and no wrong byte`, async (context) => {
  const folder = await temporaryFolder(context);
  const seed = Date.now() % 1_000_000;
  context.diagnostic(`seed ${seed}`);
  const summary = await runCrashLoop({ ...CRASH_DEFAULTS, folder, kills: KILLS, seed });
  context.diagnostic(JSON.stringify(summary));
  assert.equal(summary.kills, KILLS);
  assert.ok(summary.killsHalfWay >= 1, 'at least one kill hit a download half way');
});
