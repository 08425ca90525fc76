import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

const { signal } = new AbortController();

function job() {
  const end = Promise.withResolvers<void>();
  const state = { begun: false };
  const work = async (): Promise<void> => {
    state.begun = true;
    await end.promise;
  };
  return { state, work, end };
}

test('one owner at a time, who may do several things at once', async () => {
  const turns = new Turns<string>();
  const [first, second, other, elsewhere] = [job(), job(), job(), job()];
  const all = [
    turns.run('x', 'a', signal, first.work),
    turns.run('x', 'a', signal, second.work),
    turns.run('x', 'b', signal, other.work),
    turns.run('y', 'b', signal, elsewhere.work),
  ];
  const begun = () => [first, second, other, elsewhere].map(({ state }) => state.begun);
  assert.deepEqual(begun(), [true, true, false, true]);
  first.end.resolve();
  await all[0];
  assert.deepEqual(begun(), [true, true, false, true]);
  second.end.reject(new Error('failed'));
  await assert.rejects(all[1] ?? assert.fail(), /failed/u);
  await new Promise(setImmediate);
  assert.deepEqual(begun(), [true, true, true, true]);
  for (const { end } of [other, elsewhere]) end.resolve();
  await Promise.all(all.slice(2));
});

test('who waits can give up, and is in nobody’s way', async () => {
  const turns = new Turns<string>();
  const [first, given, last] = [job(), job(), job()];
  const abort = new AbortController();
  const running = turns.run('x', 'a', signal, first.work);
  const waiting = turns.run('x', 'b', abort.signal, given.work);
  const after = turns.run('x', 'c', signal, last.work);
  abort.abort(new Error('no more'));
  await assert.rejects(waiting, /no more/u);
  first.end.resolve();
  last.end.resolve();
  await Promise.all([running, after]);
  assert.equal(given.state.begun, false);
});
