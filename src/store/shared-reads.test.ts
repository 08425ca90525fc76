import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedReads } from './shared-reads.ts';

test('who comes while the bytes are used shares them; who comes later reads again', async () => {
  const reads = new SharedReads<string>();
  let count = 0;
  const read = async (): Promise<Buffer> => Buffer.of((count += 1));
  const first = async (bytes: Buffer): Promise<number> => bytes[0] ?? 0;
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => reads.use('a', read, first))), [1, 1, 1]);
  assert.equal(await reads.use('a', read, first), 2);
  assert.deepEqual(await Promise.all([reads.use('a', read, first), reads.use('b', read, first)]), [3, 4]);
});

test('a failed read fails those who share it, and is not kept', async () => {
  const reads = new SharedReads<string>();
  const failing = async (): Promise<Buffer> => Promise.reject(new Error('disk'));
  const work = async (bytes: Buffer): Promise<number> => bytes.length;
  const both = await Promise.allSettled([reads.use('a', failing, work), reads.use('a', failing, work)]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.equal(await reads.use('a', async () => Buffer.alloc(2), work), 2);
});
