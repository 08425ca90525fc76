// What the end-to-end tests share: folders that go away, and ways to wait for a moment in a download.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectControl, type DaemonStatus, type DownloadFile } from '../../src/rpc/index.ts';
import {
  type Cluster,
  type ClusterOptions,
  type DaemonNode,
  type DfgetLine,
  type DfgetResult,
  type DfgetRun,
  type Emulator,
  spawnNode,
  startCluster,
  startDfget,
  startEmulator,
  wrongFiles,
} from '../../src/testing/cluster/index.ts';

export const MiB = 1024 * 1024;
export const REPO = 'acme/model';

export async function temporaryFolder(context: TestContext): Promise<string> {
  const { folder, remove } = await makeTemporaryFolder();
  context.after(remove);
  return folder;
}

/** For what all tests of a file share. */
export async function makeTemporaryFolder(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'anax-e2e-'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** A Hugging Face emulator with one model. */
export async function modelHub(
  context: TestContext,
  options: { sizeMiB: number; shards?: number; totalBytesPerSecond?: number },
): Promise<Emulator> {
  const { sizeMiB, shards = 4, totalBytesPerSecond } = options;
  const emulator = await startEmulator({
    kind: 'huggingface',
    options: totalBytesPerSecond === undefined ? {} : { bandwidth: { totalBytesPerSecond } },
    repos: [{ id: REPO, model: { sizeBytes: sizeMiB * MiB, shards, seed: 'e2e' } }],
  });
  context.after(() => emulator.stop());
  return emulator;
}

export async function cluster(
  context: TestContext,
  hub: Emulator,
  options: Omit<ClusterOptions, 'folder'>,
): Promise<Cluster> {
  const folder = await temporaryFolder(context);
  const started = await startCluster({
    folder,
    ...options,
    daemonArgs: ['--hf-endpoint', hub.url, ...(options.daemonArgs ?? [])],
  });
  context.after(() => started.stop());
  return started;
}

export function getThrough(peer: DaemonNode, hub: Emulator, ...more: string[]): DfgetRun {
  return startGet(peer, hub, undefined, more);
}

/** The same; `onLine` sees each line as it comes. */
export function startGet(
  peer: DaemonNode,
  hub: Emulator,
  onLine: (line: DfgetLine) => void = () => undefined,
  more: readonly string[] = [],
): DfgetRun {
  return startDfget([`hf://${REPO}`, '-O', peer.output, '--endpoint', peer.socket, ...more], {
    env: { HF_ENDPOINT: hub.url },
    onLine,
  });
}

export function listedFiles({ lines }: DfgetResult): readonly DownloadFile[] {
  const resolved = lines.find((line) => line.kind === 'resolved');
  return resolved?.kind === 'resolved' ? resolved.files : [];
}

export function contentBytes(result: DfgetResult): number {
  return listedFiles(result).reduce((sum, file) => sum + file.sizeBytes, 0);
}

/** The download succeeded and left every file as the hub has it. */
export async function assertDelivered(result: DfgetResult, output: string): Promise<void> {
  assert.equal(result.exitCode, 0, result.stderr);
  const files = listedFiles(result);
  assert.ok(files.length > 0);
  assert.deepEqual(await wrongFiles(output, files), []);
}

export async function statusOf(node: DaemonNode): Promise<DaemonStatus> {
  const control = connectControl(node.socket);
  try {
    return await control.status(AbortSignal.timeout(10_000));
  } finally {
    await control.close();
  }
}

/** Polls until the daemon holds this share of its only swarm's pieces. */
export async function reached(node: DaemonNode, share: number, withinMs = 60_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (Date.now() < deadline) {
    const { swarms } = await statusOf(node);
    const [swarm] = swarms;
    if (swarm && swarm.pieceCount > 0 && swarm.piecesHeld >= share * swarm.pieceCount) return;
    await sleep(25);
  }
  assert.fail(`${node.name} did not get to ${share * 100} %`);
}

const ANAX = join(import.meta.dirname, '..', '..', 'src', 'cli', 'anax.ts');

/** Runs `anax … --json` on a daemon. */
export async function anax(
  node: DaemonNode,
  ...args: string[]
): Promise<{ code: number | null; lines: unknown[] }> {
  const child = spawnNode(ANAX, [...args, '--json', '--endpoint', node.socket]);
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const lines = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
  return { code, lines };
}

/**
 * Damages the largest file of a node's store: one byte in the middle changed, or that without a trace in its times (as a
 * disk does), or the second half cut off.
 */
export async function damageOnDisk(node: DaemonNode, how: 'flip' | 'rot' | 'truncate'): Promise<void> {
  const folder = join(node.cacheDir, 'store', 'blobs');
  const paths = (await readdir(folder, { recursive: true })).map((path) => join(folder, path));
  const files = await Promise.all(paths.map(async (path) => ({ path, stats: await stat(path) })));
  const [largest] = files
    .filter(({ stats }) => stats.isFile())
    .toSorted((a, b) => b.stats.size - a.stats.size);
  assert.ok(largest);
  const { path, stats } = largest;
  await chmod(path, 0o600);
  if (how === 'truncate') return await truncate(path, stats.size >> 1);
  const times = join(node.folder, 'times');
  if (how === 'rot') execFileSync('touch', ['-r', path, times]);
  await flipByte(path, stats.size >> 1);
  if (how === 'rot') execFileSync('touch', ['-r', times, path]);
}

async function flipByte(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.of((byte[0] ?? 0) ^ 1), 0, 1, at);
  await file.close();
}
