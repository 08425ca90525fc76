import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KiB, MiB } from '../core/index.ts';
import { BufferPool, type Lease } from './buffer-pool.ts';

const never = new AbortController().signal;

test('a lease has the bytes asked for, and its buffer is used again', () => {
  const pool = new BufferPool(16 * MiB);
  const first = pool.tryAcquire(5 * MiB);
  assert.equal(first?.bytes.length, 5 * MiB);
  assert.equal(pool.leasedBytes, 8 * MiB);
  const memory = first?.bytes.buffer;
  first?.release();
  first?.release();
  assert.equal(pool.leasedBytes, 0);
  assert.equal(pool.tryAcquire(8 * MiB)?.bytes.buffer, memory);
});

test('buffers kept for one size make room for another', () => {
  const pool = new BufferPool(16 * MiB);
  const small = Array.from({ length: 16 }, () => pool.tryAcquire(1 * MiB));
  assert.equal(pool.tryAcquire(64 * KiB), undefined);
  for (const lease of small) lease?.release();
  assert.ok(pool.tryAcquire(16 * MiB));
  assert.equal(pool.totalBytes, 16 * MiB);
});

test('who waits is served in order, and a large one is not overtaken by small ones', async () => {
  const pool = new BufferPool(16 * MiB);
  const halves = [pool.tryAcquire(8 * MiB), pool.tryAcquire(8 * MiB)];
  const order: string[] = [];
  const large = pool.acquire(16 * MiB, never).then((lease) => {
    order.push('large');
    return lease;
  });
  const small = pool.acquire(1 * MiB, never).then((lease) => {
    order.push('small');
    return lease;
  });
  halves[0]?.release();
  assert.equal(pool.tryAcquire(1 * MiB), undefined, 'others wait already');
  assert.equal(pool.waiting, 2);
  halves[1]?.release();
  (await large).release();
  (await small).release();
  assert.deepEqual(order, ['large', 'small']);
});

test('who gives up waiting lets the next one through', async () => {
  const pool = new BufferPool(16 * MiB);
  const held = pool.tryAcquire(8 * MiB);
  const giveUp = new AbortController();
  const large = pool.acquire(16 * MiB, giveUp.signal);
  const small = pool.acquire(8 * MiB, never);
  giveUp.abort(new Error('enough'));
  await assert.rejects(large, /enough/u);
  (await small).release();
  held?.release();
  assert.equal(pool.leasedBytes, 0);
  await assert.rejects(pool.acquire(1 * MiB, giveUp.signal), /enough/u);
});

test('the ceiling holds whatever is taken and given back', () => {
  const size = fc.integer({ min: 1, max: 16 * MiB });
  fc.assert(
    fc.property(fc.array(fc.oneof(size, fc.constant(0)), { maxLength: 60 }), (steps) => {
      const pool = new BufferPool(24 * MiB);
      const leases: Lease[] = [];
      for (const step of steps) {
        if (step === 0) leases.shift()?.release();
        else {
          const lease = pool.tryAcquire(step);
          if (lease) leases.push(lease);
        }
        assert.ok(pool.totalBytes <= pool.ceilingBytes && pool.leasedBytes <= pool.totalBytes);
      }
      for (const lease of leases) lease.release();
      assert.equal(pool.leasedBytes, 0);
    }),
    { numRuns: 50 },
  );
});
