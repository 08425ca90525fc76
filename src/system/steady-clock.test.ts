import assert from 'node:assert/strict';
import { test } from 'node:test';
import { steadyClock } from './steady-clock.ts';

test('a clock that is set back an hour does not stop the time', (context) => {
  const before = steadyClock.now();
  context.mock.method(Date, 'now', () => before - 3_600_000);
  assert.ok(steadyClock.now() >= before);
});

test('it begins near the time of day, so that a later process has later times', () => {
  assert.ok(Math.abs(steadyClock.now() - Date.now()) < 60_000);
});
