// Where a benchmark writes, what the machine is, and memory made warm before anything is measured.

import { mkdtemp, open, readFile, rm, statfs } from 'node:fs/promises';
import { cpus, freemem, release, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { formatBytes, MiB } from '../../src/core/index.ts';

export const MEMORY_FOLDER = '/dev/shm';
/** Of the memory that is free, so that nothing else on the machine is driven out. */
const WARM_SHARE = 0.7;
/** What a transfer touches beside the file itself. */
const WARM_MARGIN = 1.25;

export interface Workspace {
  readonly folder: string;
  /** `tmpfs`, `ext4`, … */
  readonly filesystem: string;
  remove(): Promise<void>;
}

/** A new folder in `parent`, by default in the system's folder for temporary files. */
export async function createWorkspace(
  parent: string | undefined,
  prefix = 'anax-bench-',
): Promise<Workspace> {
  const folder = await mkdtemp(join(resolve(parent ?? tmpdir()), prefix));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return { folder, filesystem: await filesystemOf(folder), remove };
}

/** The type of the mount that a folder is on: the one with the longest path that leads to it. */
async function filesystemOf(folder: string): Promise<string> {
  const lines = (await readFile('/proc/mounts', 'utf8')).trim().split('\n');
  const mounts = lines.map((line) => line.split(' ')).map(([, at = '', type = '']) => ({ at, type }));
  const leading = mounts.filter(({ at }) => at === '/' || folder === at || folder.startsWith(`${at}/`));
  return leading.toSorted((a, b) => b.at.length - a.at.length)[0]?.type ?? 'unknown';
}

/**
 * On a virtual machine, memory that is touched for the first time costs about 2 CPU-s/GiB, ten times what is measured.
 * So files as large as the run needs are filled and removed before it, where it will write and in memory itself.
 */
export async function warmMemory({ folder, filesystem }: Workspace, sizeBytes: number): Promise<string> {
  const bytes = Math.min(sizeBytes, Math.floor(freemem() * WARM_SHARE));
  const folders = filesystem === 'tmpfs' ? [folder] : [folder, MEMORY_FOLDER];
  for (const target of folders) await fillAndRemove(join(target, `anax-warm-${process.pid}`), bytes);
  return formatBytes(bytes);
}

/**
 * Once more, right before a transfer: a host may take freed memory back within seconds (free page reporting). Only in
 * memory, so that no disk is left busy.
 */
export async function keepWarm(sizeBytes: number): Promise<void> {
  const bytes = Math.min(sizeBytes * WARM_MARGIN, Math.floor(freemem() * WARM_SHARE));
  await fillAndRemove(join(MEMORY_FOLDER, `anax-warm-${process.pid}`), bytes);
}

async function fillAndRemove(path: string, sizeBytes: number): Promise<void> {
  const block = Buffer.alloc(4 * MiB, 1);
  const file = await open(path, 'wx');
  try {
    const { bavail, bsize } = await statfs(path);
    const bytes = Math.min(sizeBytes, bavail * bsize * WARM_SHARE);
    for (let at = 0; at < bytes; at += block.length) await file.write(block, 0, block.length, at);
  } finally {
    await file.close();
    await rm(path);
  }
}

export function describeMachine(): string {
  const cores = cpus();
  const model = cores[0]?.model.trim() ?? 'unknown processor';
  return `${cores.length} × ${model}, ${formatBytes(totalmem())}, Linux ${release()}, Node ${process.versions.node}`;
}
