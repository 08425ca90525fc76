import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferStock } from './buffer-stock.ts';

test('a buffer is used again for what fits it, and is nobody else’s meanwhile', () => {
  const stock = new BufferStock();
  const first = stock.take(1_000);
  assert.equal(first.length, 1_000);
  assert.notEqual(stock.take(1_000), first);
  stock.giveBack(first);
  assert.notEqual(stock.take(1_001), first, 'too small');
  assert.notEqual(stock.take(500), first, 'far too large');
  assert.equal(stock.take(501), first);
  assert.notEqual(stock.take(501), first);
});

test('few are kept, and none once they are not wanted', () => {
  const stock = new BufferStock();
  const buffers = Array.from({ length: 6 }, () => stock.take(100));
  for (const buffer of buffers) stock.giveBack(buffer);
  const again = Array.from({ length: 6 }, () => stock.take(100));
  assert.equal(again.filter((buffer) => buffers.includes(buffer)).length, 4);
  for (const buffer of again) stock.giveBack(buffer);
  assert.equal(again.filter(({ length }) => length === 0).length, 2, 'what is too many is let go at once');
  stock.clear();
  assert.ok(again.every(({ length }) => length === 0));
  assert.equal(stock.take(100).length, 100);
});
