import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Outbox } from './outbox.ts';

describe('an outbox', () => {
  it('gives out what was pushed before and while it is taken, in order, up to its end', async () => {
    const outbox = new Outbox<number>(10);
    outbox.push(1);
    outbox.push(2);
    const taken: number[] = [];
    for await (const message of outbox) {
      taken.push(message);
      if (message === 2) queueMicrotask(() => outbox.push(3));
      if (message === 3) {
        outbox.push(4);
        outbox.end();
        outbox.push(5);
      }
    }
    assert.deepEqual(taken, [1, 2, 3, 4]);
  });

  it('ends with an error when more wait than may', async () => {
    const outbox = new Outbox<number>(2);
    for (const message of [1, 2, 3, 4]) outbox.push(message);
    await assert.rejects(outbox[Symbol.asyncIterator]().next(), { code: 'limit_exceeded' });
  });

  it('ends with the first error, and gives nothing after it', async () => {
    const outbox = new Outbox<number>(2);
    outbox.push(1);
    outbox.fail(new Error('first'));
    outbox.fail(new Error('second'));
    outbox.end();
    await assert.rejects(outbox[Symbol.asyncIterator]().next(), { message: 'first' });
  });

  it('wakes a taker that waits when it ends', async () => {
    const outbox = new Outbox<number>(2);
    const next = outbox[Symbol.asyncIterator]().next();
    outbox.end();
    assert.equal((await next).done, true);
  });
});
