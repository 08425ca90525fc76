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
    pace.took(bytes, 100, 100 + tookMs);
    assert.equal(pace.isQuick(100 + tookMs), isQuick);
    assert.equal(pace.isQuick(100 + tookMs + 999), isQuick);
    assert.equal(pace.isQuick(100 + tookMs + 1000), true);
  });
}
