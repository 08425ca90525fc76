import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PieceWriter } from './piece-writer.ts';

test('bytes land at their offset', async (t) => {
  const { fd, read } = openFile(t);
  const writer = new PieceWriter();
  await writer.put({ fd, offsetBytes: 4 }, Buffer.from('efgh'));
  await writer.put({ fd, offsetBytes: 0 }, Buffer.from('abcd'));
  assert.equal(read(), 'abcdefgh');
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
