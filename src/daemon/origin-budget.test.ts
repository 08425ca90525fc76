import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../testing/source-conformance/fake-clock.ts';
import { OriginBudget, OriginBudgets, originOf } from './origin-budget.ts';

const NONE = {
  origin: 'hub',
  connections: undefined,
  bytesPerSecond: undefined,
  requestsPerMinute: undefined,
  pauseMs: 0,
};
const { signal } = new AbortController();

test('without a share nothing waits', async () => {
  const clock = createFakeClock();
  const budget = new OriginBudget(clock);
  for (let at = 0; at < 100; at += 1) await budget.begin(signal);
  await budget.pace(1e12, signal);
  assert.equal(clock.now(), createFakeClock().now());
});

test('no more requests run at once than there are connections', async () => {
  const budget = new OriginBudget(createFakeClock());
  budget.set({ ...NONE, connections: 1 });
  const end = await budget.begin(signal);
  let begun = false;
  const second = budget.begin(signal).then(() => (begun = true));
  await new Promise(setImmediate);
  assert.equal(begun, false);
  end();
  await second;
});

test('requests keep their distance, and begin after a pause', async () => {
  const clock = createFakeClock();
  const startMs = clock.now();
  const budget = new OriginBudget(clock);
  budget.set({ ...NONE, requestsPerMinute: 6, pauseMs: 5_000 });
  await budget.begin(signal);
  assert.equal(clock.now() - startMs, 5_000);
  await budget.begin(signal);
  assert.equal(clock.now() - startMs, 15_000);
});

test('bytes go at the rate', async () => {
  const clock = createFakeClock();
  const startMs = clock.now();
  const budget = new OriginBudget(clock);
  budget.set({ ...NONE, bytesPerSecond: 1_000_000 });
  for (let at = 0; at < 10; at += 1) await budget.pace(1_000_000, signal);
  const tookMs = clock.now() - startMs;
  assert.ok(tookMs >= 9_800 && tookMs <= 10_100, `${tookMs} ms`);
});

test('who gives up waiting does not hold a connection', async () => {
  const budget = new OriginBudget(createFakeClock());
  budget.set({ ...NONE, connections: 0 });
  const abort = new AbortController();
  const waiting = budget.begin(abort.signal);
  abort.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
});

test('a budget is of a host, whatever the path', () => {
  const budgets = new OriginBudgets(createFakeClock());
  const hub = originOf('https://hub.example/models');
  assert.equal(hub, 'hub.example');
  assert.equal(budgets.of(hub), budgets.of(originOf('https://hub.example')));
  assert.equal(originOf(''), '');
});
