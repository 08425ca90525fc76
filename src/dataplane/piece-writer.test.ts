import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PieceWriter } from './piece-writer.ts';

test('bytes land at their offset, by this thread and by the pool', async (t) => {
  const { fd, read } = openFile(t);
  const times = [0, 0, 10_000];
  const writer = new PieceWriter(() => times.shift() ?? 10_000);
  await writer.put({ fd, offsetBytes: 4 }, Buffer.from('efgh'));
  assert.equal(writer.isAvoiding, true);
  await writer.put({ fd, offsetBytes: 0 }, Buffer.from('abcd'));
  assert.equal(read(), 'abcdefgh');
});

test('a quick write is followed by another of this thread; a slow one is not, for a second', async (t) => {
  const { fd } = openFile(t);
  let nowMs = 0;
  let takesMs = 0;
  const clock = () => {
    nowMs += takesMs;
    return nowMs;
  };
  const writer = new PieceWriter(clock);
  await writer.put({ fd, offsetBytes: 0 }, Buffer.alloc(1));
  assert.equal(writer.isAvoiding, false);
  takesMs = 6;
  await writer.put({ fd, offsetBytes: 0 }, Buffer.alloc(1));
  takesMs = 0;
  nowMs += 999;
  assert.equal(writer.isAvoiding, true);
  nowMs += 1;
  assert.equal(writer.isAvoiding, false);
});

test('a disk that takes nothing is an error with a code', async () => {
  const fd = openSync('/dev/full', 'w');
  try {
    await assert.rejects(new PieceWriter().put({ fd, offsetBytes: 0 }, Buffer.alloc(8)), {
      code: 'disk_full',
    });
  } finally {
    closeSync(fd);
  }
  await assert.rejects(new PieceWriter().put({ fd: 2 ** 30, offsetBytes: 0 }, Buffer.alloc(8)), {
    code: 'disk_io',
  });
});

function openFile(t: { after(end: () => void): void }): { readonly fd: number; readonly read: () => string } {
  const folder = mkdtempSync(join(tmpdir(), 'anax-writer-'));
  const path = join(folder, 'data');
  const fd = openSync(path, 'w+');
  t.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  return { fd, read: () => readFileSync(path, 'utf8') };
}
