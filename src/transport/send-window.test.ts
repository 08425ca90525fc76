import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KiB, MiB } from '../core/index.ts';
import { FIRST_PROBE_TOKEN, MIN_WINDOW_BYTES, SendWindow } from './send-window.ts';

/**
 * A link that carries so many bytes a millisecond after a delay, and a sender that always has something to write.
 * Returns the bytes that were read by the remote.
 */
function drive(window: SendWindow, link: { bytesPerMs: number; delayMs: number; forMs: number }): number {
  const pongs: { token: number; atMs: number }[] = [];
  let freeAtMs = 0;
  let read = 0;
  for (let nowMs = 0; nowMs < link.forMs; nowMs += 1) {
    while (pongs[0] && pongs[0].atMs <= nowMs) window.taken(pongs.shift()?.token ?? 0, nowMs);
    while (window.hasRoom) {
      const bytes = window.stepBytes;
      freeAtMs = Math.max(freeAtMs, nowMs) + bytes / link.bytesPerMs;
      const token = window.wrote(bytes, nowMs);
      if (token !== undefined) pongs.push({ token, atMs: freeAtMs + link.delayMs });
      if (freeAtMs < link.forMs) read += bytes;
    }
  }
  return read;
}

test('a quick link is used to the full, a slow one too, with little on the way', () => {
  const cases = [
    { bytesPerMs: 1_000, delayMs: 1, mostBytes: 3 * MIN_WINDOW_BYTES },
    { bytesPerMs: 12_500, delayMs: 1, mostBytes: 1 * MiB },
    { bytesPerMs: 12_500, delayMs: 50, mostBytes: 2 * MiB },
    { bytesPerMs: 125_000, delayMs: 1, mostBytes: 8 * MiB },
  ];
  for (const { mostBytes, ...link } of cases) {
    const window = new SendWindow();
    const read = drive(window, { ...link, forMs: 10_000 });
    assert.ok(read > 0.95 * link.bytesPerMs * 10_000, `${read} bytes at ${link.bytesPerMs} bytes/ms`);
    assert.ok(window.windowBytes <= mostBytes, `${window.windowBytes} bytes at ${link.bytesPerMs} bytes/ms`);
    assert.ok(window.windowBytes >= MIN_WINDOW_BYTES);
  }
});

test('a window that is not used up does not grow', () => {
  const window = new SendWindow();
  const before = window.windowBytes;
  for (let at = 0; at < 100; at += 1) {
    const token = window.wrote(window.stepBytes, at);
    if (token !== undefined) window.taken(token, at);
  }
  assert.equal(window.windowBytes, before);
});

test('one late pong shrinks the window once, and to no more than the half', () => {
  const window = new SendWindow();
  const tokens = [0, 1, 2, 3].flatMap(() => window.wrote(128 * KiB, 0) ?? []);
  assert.equal(window.hasRoom, false);
  window.taken(tokens[0] ?? 0, 1);
  const before = window.windowBytes;
  for (const token of tokens.slice(1)) window.taken(token, 1_000);
  assert.equal(window.windowBytes, before / 2);
  assert.equal(window.hasRoom, true);
});

test('a pong answers all pings before it, and an unknown one nothing', () => {
  const window = new SendWindow();
  const tokens = [0, 1, 2, 3].flatMap(() => window.wrote(128 * KiB, 0) ?? []);
  assert.ok(tokens.every((token) => token >= FIRST_PROBE_TOKEN));
  window.taken(5, 1);
  assert.equal(window.hasRoom, false);
  window.taken(tokens[3] ?? 0, 1);
  assert.equal(window.hasRoom, true);
  window.taken(tokens[0] ?? 0, 2);
  assert.equal(window.hasRoom, true);
});
