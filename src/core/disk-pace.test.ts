import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from './bytes.ts';
import { DiskPace } from './disk-pace.ts';

for (const { name, bytes, tookMs, isQuick } of [
  { name: 'what the page cache answers is quick', bytes: 4 * MiB, tookMs: 4, isQuick: true },
  { name: 'a short pause of the thread is no slow disk', bytes: 1, tookMs: 5, isQuick: true },
  { name: 'a seek is slow', bytes: 64 * 1024, tookMs: 8, isQuick: false },
  { name: 'a throttled write is slow', bytes: 16 * MiB, tookMs: 70, isQuick: false },
]) {
  test(name, () => {
    const pace = new DiskPace();
    assert.equal(pace.isQuick(100), true);
    pace.took(bytes, 0, tookMs);
    assert.equal(pace.isQuick(tookMs), true, 'once is no pattern');
    pace.took(bytes, 100, 100 + tookMs);
    assert.equal(pace.isQuick(100 + tookMs), isQuick);
    assert.equal(pace.isQuick(100 + tookMs + 999), isQuick);
    assert.equal(pace.isQuick(100 + tookMs + 1000), true);
  });
}

test('two pauses with a quick one between them are no slow disk', () => {
  const pace = new DiskPace();
  pace.took(1, 0, 20);
  pace.took(1, 20, 20);
  pace.took(1, 20, 40);
  assert.equal(pace.isQuick(40), true);
});
