import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventQueue } from './event-queue.ts';

async function take<Event>(queue: EventQueue<Event>): Promise<Event[]> {
  const taken: Event[] = [];
  for await (const event of queue) taken.push(event);
  return taken;
}

test('events come out in the order in which they went in, before and after the taker began', async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  queue.push(2);
  const taken = take(queue);
  await Promise.resolve();
  queue.push(3);
  await new Promise(setImmediate);
  queue.push(4);
  queue.push(5);
  queue.end();
  assert.deepEqual(await taken, [1, 2, 3, 4, 5]);
});

test('a queue that has ended gives what waits, then ends', async () => {
  const queue = new EventQueue<string>();
  queue.push('last');
  queue.end();
  assert.deepEqual(await take(queue), ['last']);
});

test('an error comes after the events that wait', async () => {
  const queue = new EventQueue<string>();
  queue.push('before');
  queue.fail(new Error('why'));
  const taken: string[] = [];
  const all = async (): Promise<void> => {
    for await (const event of queue) taken.push(event);
  };
  await assert.rejects(all(), /why/u);
  assert.deepEqual(taken, ['before']);
});

test('a taker that waits is woken by the end, and by an error', async () => {
  const ended = new EventQueue<never>();
  const taken = take(ended);
  await new Promise(setImmediate);
  ended.end();
  assert.deepEqual(await taken, []);
  const failed = new EventQueue<never>();
  const failing = take(failed);
  const rejected = assert.rejects(failing, /why/u);
  await new Promise(setImmediate);
  failed.fail(new Error('why'));
  await rejected;
});
