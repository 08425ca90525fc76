import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { abortable } from './abortable.ts';

test('gives the outcome of what it waits for, and leaves no listener', async () => {
  const { signal } = new AbortController();
  assert.equal(await abortable(Promise.resolve(7), signal), 7);
  await assert.rejects(abortable(Promise.reject(new Error('own')), signal), /own/u);
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
});

test('an abort ends the wait with its reason, and not the work', async () => {
  const controller = new AbortController();
  const work = Promise.withResolvers<number>();
  const waiting = abortable(work.promise, controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/u);
  work.resolve(1);
  assert.equal(await work.promise, 1);
  assert.deepEqual(getEventListeners(controller.signal, 'abort'), []);
});

test('with a signal that was aborted before it does not wait', async () => {
  const signal = AbortSignal.abort(new Error('before'));
  await assert.rejects(abortable(new Promise(() => undefined), signal), /before/u);
});

test('work that fails after its waiter has gone harms nobody', async () => {
  const controller = new AbortController();
  const work = Promise.withResolvers<never>();
  const waiting = abortable(work.promise, controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/u);
  work.reject(new Error('late'));
  await new Promise(setImmediate);
});

test('work that fails although nobody began to wait for it harms nobody', async () => {
  const work = Promise.withResolvers<never>();
  await assert.rejects(abortable(work.promise, AbortSignal.abort(new Error('before'))), /before/u);
  work.reject(new Error('late'));
  await new Promise(setImmediate);
});
