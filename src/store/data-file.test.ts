import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { fstatSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DataFile } from './data-file.ts';

async function dataFile(context: TestContext) {
  const path = join(tmpdir(), `anax-data-${process.pid}-${context.name.length}`);
  const handle = await open(path, 'w');
  await rm(path);
  // A FileHandle is an EventEmitter; its types don't say so.
  const closed = once(handle as unknown as EventEmitter, 'close');
  return { data: new DataFile(handle), fd: handle.fd, closed };
}

test('a file that nobody has borrowed is closed at once', async (context) => {
  const { data, fd, closed } = await dataFile(context);
  data.borrow()();
  assert.ok(fstatSync(fd));
  await data.close();
  await closed;
});

test('a borrowed file is closed by the last who gives it back, and nobody waits for that', async (context) => {
  const { data, fd, closed } = await dataFile(context);
  const one = data.borrow();
  const other = data.borrow();
  await data.close();
  one();
  one();
  assert.ok(fstatSync(fd), 'still open');
  other();
  await closed;
});
