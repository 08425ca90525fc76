// The store under `kill -9`: a process that writes is killed at random moments, and the store is opened again.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { MiB } from '../core/index.ts';
import { testBlob } from '../testing/store-conformance/index.ts';
import type { DiskBlobStore } from './index.ts';
import { testFolder } from './testing-store.ts';

const WRITER = fileURLToPath(new URL('../testing/store-conformance/kill-writer-worker.ts', import.meta.url));
const KILLS = 24;

/** Runs the writer until it is killed, some time after its first blob is open; what it said. */
async function writeAndKill(folder: string, seed: number): Promise<string[]> {
  const child = spawn(process.execPath, [WRITER, folder, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), ended]);
  await sleep(randomInt(60));
  child.kill('SIGKILL');
  await ended;
  assert.equal(child.signalCode, 'SIGKILL', 'the writer goes on until it is killed');
  return said.split('\n').filter((line) => line !== '');
}

async function check(store: DiskBlobStore, lines: readonly string[]): Promise<number> {
  let pieces = 0;
  const told = lines.map((line) => line.split(' '));
  for (const [what, seed, index] of told) {
    const content = testBlob(Number(seed), 12.5 * MiB);
    if (what === 'commit') assert.ok(await store.find(content.gitSha1), `blob ${seed} was lost`);
    if (what !== 'piece') continue;
    const blob = await store.open(content.spec);
    assert.ok(blob.held.has(Number(index)), `piece ${index} of blob ${seed} was lost`);
    await blob.close();
    pieces += 1;
  }
  return pieces;
}

async function checkAllTrue(store: DiskBlobStore, seeds: Iterable<number>): Promise<void> {
  for (const seed of seeds) {
    const content = testBlob(seed, 12.5 * MiB);
    const blob = await store.open(content.spec);
    for (const index of blob.held.values()) {
      const bytes = Buffer.alloc(content.piece(index).length);
      await blob.read(index, 0, bytes);
      assert.ok(bytes.equals(content.piece(index)), `piece ${index} of blob ${seed} is wrong`);
    }
    await blob.close();
  }
}

test(`${KILLS} times killed, the store has every piece that was written, and no wrong one`, async () => {
  const folder = await testFolder();
  let pieces = 0;
  let seed = 1000;
  const seeds = new Set<number>();
  for (let round = 0; round < KILLS; round += 1) {
    const lines = await writeAndKill(folder.store, seed);
    seed = Math.max(seed, ...lines.map((line) => Number(line.split(' ')[1])));
    for (const line of lines) seeds.add(Number(line.split(' ')[1]));
    const store = await folder.open({ waitForLockMs: 5000 });
    pieces += await check(store, lines);
    await checkAllTrue(store, [seed]);
    await store.stop();
  }
  const store = await folder.open();
  await checkAllTrue(store, seeds);
  await folder.close();
  assert.ok(pieces >= KILLS, `only ${pieces} pieces were written between the kills`);
});
