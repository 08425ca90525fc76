// One failure at every single operation of a blob's life: the caller gets an error that says what is wrong, nothing that is
// held is wrong or lost, and the very same store goes on afterwards.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { AnaxError, MiB } from '../core/index.ts';
import { readAll, testBlob, writeAll } from '../testing/store-conformance/index.ts';
import type { DiskBlobStore } from './index.ts';
import { FaultFs } from './testing-fault-fs.ts';
import { type TestFolder, testFolder } from './testing-store.ts';

const content = testBlob(300, 2.5 * MiB);

interface Fault {
  readonly code: string;
  /** The operations that fail so. */
  readonly strikes: RegExp;
  /** What callers are told. */
  readonly told: string;
  readonly hint: RegExp;
}

const FAULTS: readonly Fault[] = [
  {
    code: 'ENOSPC',
    strikes: /^(write|open|mkdir|copyFile|link|rename|truncate|datasync|sync)$/u,
    told: 'disk_full',
    hint: /free space/u,
  },
  { code: 'EIO', strikes: /./u, told: 'disk_io', hint: /dmesg/u },
  { code: 'EMFILE', strikes: /^(open|readdir|readFile|copyFile)$/u, told: 'disk_io', hint: /ulimit/u },
];

/** Pieces whose write resolved, and which no later step gave up. */
type Written = Set<number>;

/** Written and closed, opened again, committed, put out, read, one piece dropped and fetched again. */
async function live(store: DiskBlobStore, folder: TestFolder, written: Written): Promise<void> {
  const write = async (indexes: readonly number[]): Promise<void> => {
    const blob = await store.open(content.spec);
    try {
      for (const index of indexes) {
        await blob.write(index, content.piece(index), content.proof(index));
        written.add(index);
      }
    } finally {
      await blob.close();
    }
  };
  await write([2, 0]);
  await write([1]);
  const blob = await store.open(content.spec);
  try {
    // What a failed flush took is fetched again.
    await writeAll(blob, content);
    await blob.commit([content.gitSha1]);
    await store.find(content.gitSha1);
    await store.materialize(content.spec.digest, join(folder.outputs, 'x'), { replace: true });
    await readAll(blob, content);
    written.delete(1);
    await blob.drop([1]);
  } finally {
    await blob.close();
  }
  await write([1]);
}

async function checkHeld(store: DiskBlobStore, written: Written): Promise<void> {
  const blob = await store.open(content.spec);
  for (const index of blob.held.values()) {
    const bytes = Buffer.alloc(content.piece(index).length);
    await blob.read(index, 0, bytes);
    assert.ok(bytes.equals(content.piece(index)), `piece ${index} is wrong`);
  }
  for (const index of written) assert.ok(blob.held.has(index), `piece ${index} is lost`);
  await blob.close();
}

async function finish(store: DiskBlobStore): Promise<void> {
  const blob = await store.open(content.spec);
  await writeAll(blob, content);
  await blob.commit([content.gitSha1]);
  assert.ok((await readAll(blob, content)).equals(content.bytes));
  await blob.close();
}

async function operationsOfALife({ strikes }: Fault): Promise<number> {
  const folder = await testFolder();
  const faults = new FaultFs();
  let operations = 0;
  faults.failingAny = (name) => {
    if (strikes.test(name)) operations += 1;
    return undefined;
  };
  const store = await folder.open({ fs: faults.fs });
  await live(store, folder, new Set());
  await folder.close();
  return operations;
}

function assertTold(error: unknown, { told, hint }: Fault): void {
  assert.ok(error instanceof AnaxError, String(error));
  assert.equal(error.code, told, error.message);
  assert.match(error.hint, hint);
}

async function strikeAt(operation: number, fault: Fault): Promise<boolean> {
  const folder = await testFolder();
  const faults = new FaultFs();
  let struck = '';
  let count = 0;
  faults.failingAny = (name) => {
    if (!fault.strikes.test(name)) return undefined;
    count += 1;
    if (count !== operation) return undefined;
    struck = name;
    return fault.code;
  };
  const written: Written = new Set();
  try {
    const store = await folder.open({ fs: faults.fs }).catch((error: unknown) => {
      assertTold(error, fault);
      return folder.open({ fs: faults.fs });
    });
    await live(store, folder, written).catch((error: unknown) => assertTold(error, fault));
    faults.failingAny = () => undefined;
    // A failed flush takes what it was for: its pages may never reach the disk.
    if (struck === 'datasync') written.clear();
    await checkHeld(store, written);
    await finish(store);
    await store.stop();
    const again = await folder.open();
    await checkHeld(again, new Set([0, 1, 2]));
    assert.equal((await again.find(content.gitSha1))?.state, 'complete');
  } catch (error) {
    throw new Error(`after ${fault.code} at operation ${operation} (${struck})`, { cause: error });
  } finally {
    await folder.close();
  }
  return struck !== '';
}

for (const fault of FAULTS) {
  test(`${fault.code} at any operation: the caller is told ${fault.told}, and nothing is lost`, async () => {
    const operations = await operationsOfALife(fault);
    const left = Array.from({ length: operations }, (_, at) => at + 1);
    let strikes = 0;
    const strikeOn = async (): Promise<void> => {
      for (let at = left.shift(); at !== undefined; at = left.shift()) {
        if (await strikeAt(at, fault)) strikes += 1;
      }
    };
    // Several at once: each waits for the disk most of the time.
    await Promise.all(Array.from({ length: 6 }, strikeOn));
    assert.ok(strikes > 15 && strikes > operations - 5, `${strikes} of ${operations} struck`);
  });
}
