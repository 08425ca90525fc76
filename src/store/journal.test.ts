import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createJournal } from './journal.ts';
import { decodeJournal, type JournalRecord } from './journal-format.ts';
import { diskFs, type StoreFs } from './store-fs.ts';
import { content, on } from './store-harness.ts';

const RECORDS: JournalRecord[] = [0, 1, 2, 3].map((index) => ({
  kind: 'piece',
  index,
  proof: content.proof(index),
}));
/** Longer than any write that a page cache takes. */
const SLOW_MS = 20;

function blockFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function recordsAfter(
  path: string,
  writeNow: StoreFs['writeNow'],
): Promise<readonly JournalRecord[] | undefined> {
  const journal = await createJournal({ ...diskFs, writeNow }, path, content.spec);
  await Promise.all(RECORDS.map((record) => journal.append([record])));
  assert.equal(journal.written, RECORDS.length);
  await journal.close();
  return decodeJournal(await readFile(path))?.records;
}

on('a disk that is waited for gets the records by the pool, in their order', async (folder) => {
  let here = 0;
  const path = join(folder.root, 'journal');
  const records = await recordsAfter(path, (...write) => {
    here += 1;
    blockFor(SLOW_MS);
    return diskFs.writeNow(...write);
  });
  assert.deepEqual(records, RECORDS);
  assert.equal(here, 2);
});

on('a record that the disk takes by parts is whole', async (folder) => {
  const path = join(folder.root, 'journal');
  const records = await recordsAfter(path, (file, bytes, position) =>
    diskFs.writeNow(file, bytes.subarray(0, 50), position),
  );
  assert.deepEqual(records, RECORDS);
});

on('a record that could not be written is written over by the next', async (folder) => {
  const path = join(folder.root, 'journal');
  let isFull = true;
  const writeNow: StoreFs['writeNow'] = (file, bytes, position) => {
    if (!isFull) return diskFs.writeNow(file, bytes, position);
    diskFs.writeNow(file, bytes.subarray(0, 100), position);
    throw Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' });
  };
  const journal = await createJournal({ ...diskFs, writeNow }, path, content.spec);
  const [first, second] = RECORDS as [JournalRecord, JournalRecord];
  await assert.rejects(journal.append([first]), { code: 'ENOSPC' });
  isFull = false;
  await journal.append([second]);
  await journal.close();
  assert.deepEqual(decodeJournal(await readFile(path))?.records, [second]);
});
