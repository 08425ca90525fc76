import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bandwidth, Pacer } from './pacer.ts';

/** Sends slices as fast as the pacers allow and returns the time the bytes took. */
function drive(pacers: readonly Pacer[], bytes: number): number {
  let nowMs = 1_000_000;
  const slice = Math.min(...pacers.map((pacer) => pacer.sliceBytes));
  for (let sent = 0; sent < bytes; sent += slice) {
    nowMs += Math.max(...pacers.map((pacer) => pacer.reserve(slice, nowMs)));
  }
  return nowMs - 1_000_000;
}

test('(36) a cap holds over time and is smooth: no slice is worth more than about 10 ms', () => {
  const pacer = new Pacer(1_000_000);
  assert.equal(pacer.sliceBytes, 10_000);
  const tookMs = drive([pacer], 1_000_000);
  assert.ok(tookMs >= 970 && tookMs <= 1000, `${tookMs} ms`);
});

test('(36) idle time earns no burst', () => {
  const pacer = new Pacer(1_000_000);
  pacer.reserve(10_000, 0);
  assert.ok(pacer.reserve(100_000, 60_000) >= 80);
});

test('(36) the tighter of two caps decides, and the total is shared by connections', () => {
  const bandwidth = new Bandwidth({ perConnectionBytesPerSecond: 1_000_000, totalBytesPerSecond: 4_000_000 });
  const alone = bandwidth.pacersFor({});
  assert.ok(drive(alone, 500_000) >= 470);
  const connections = Array.from({ length: 8 }, () => bandwidth.pacersFor({}));
  const totals = new Set(connections.map(([total]) => total));
  assert.equal(totals.size, 1);
});

test('(36) a connection keeps its own cap over its requests', () => {
  const bandwidth = new Bandwidth({ perConnectionBytesPerSecond: 1000 });
  const socket = {};
  assert.equal(bandwidth.pacersFor(socket)[0], bandwidth.pacersFor(socket)[0]);
  assert.notEqual(bandwidth.pacersFor(socket)[0], bandwidth.pacersFor({})[0]);
});

test('without options nothing is capped', () => {
  assert.deepEqual(new Bandwidth().pacersFor({}), []);
});
