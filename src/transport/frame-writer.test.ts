import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { FrameWriter } from './frame-writer.ts';

/** A socket whose kernel takes what the test says. */
function slowSocket() {
  const handle = { writeQueueSize: 0 };
  const written: (() => void)[] = [];
  const socket = {
    _handle: handle,
    cork: () => undefined,
    uncork: () => undefined,
    write: (part: Buffer, done?: () => void) => {
      handle.writeQueueSize += part.length;
      if (done) written.push(done);
    },
  };
  const take = (bytes: number): void => {
    handle.writeQueueSize -= bytes;
    if (handle.writeQueueSize === 0) written.shift()?.();
  };
  return { socket: socket as unknown as Socket, take };
}

test('a write of which a little is taken now and then is under way for long, but not stalled', async () => {
  const { socket, take } = slowSocket();
  const writer = new FrameWriter(socket, { maxControlBytes: 1000, onSlow: () => undefined });
  const done = writer.bulk(Buffer.alloc(100));
  const begunAtMs = performance.now();
  assert.ok(writer.stalledForMs(begunAtMs + 900) < 900 + 1);
  take(10);
  assert.equal(writer.stalledForMs(begunAtMs + 1000), 0);
  assert.equal(writer.stalledForMs(begunAtMs + 1400), 400);
  take(10);
  assert.equal(writer.stalledForMs(begunAtMs + 2000), 0);
  assert.ok(writer.writingForMs(begunAtMs + 2000) >= 2000);
  take(80);
  await done;
  assert.equal(writer.stalledForMs(begunAtMs + 3000), 0);
  assert.equal(writer.writingForMs(begunAtMs + 3000), 0);
});

test('control goes out before bulk that waits, and too much of it is told', async () => {
  const { socket, take } = slowSocket();
  let slow = 0;
  const writer = new FrameWriter(socket, { maxControlBytes: 100, onSlow: () => void (slow += 1) });
  const first = writer.bulk(Buffer.alloc(10));
  const second = writer.bulk(Buffer.alloc(20));
  writer.control(Buffer.alloc(60));
  take(10);
  await first;
  assert.equal(writer.bytesOut, 10 + 60 + 20);
  take(80);
  await second;
  // A write must be under way for control to wait.
  void writer.bulk(Buffer.alloc(1));
  writer.control(Buffer.alloc(60));
  assert.equal(slow, 0);
  writer.control(Buffer.alloc(60));
  assert.equal(slow, 1);
});
