// Lists a folder of this machine. Links are followed to files that lie in the folder; a link that leaves it, leads to a
// folder or nowhere is refused by name, since leaving it out silently would give an incomplete copy. Sockets, pipes and
// devices are left out.

import type { BigIntStats } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AnaxError, isAtOrUnder, parseRepoPath, type RepoPath } from '../../core/index.ts';
import { checkListingSize } from '../listed-file.ts';

export interface LocalFile {
  /** Relative to the folder; the name alone where the root is a file. */
  readonly path: RepoPath;
  readonly absolutePath: string;
  readonly sizeBytes: number;
  readonly modifiedNs: bigint;
  readonly inode: bigint;
}

/** Sorted by path. Throws `listing_unsafe`, `limit_exceeded` and errors of `node:fs`. */
export async function walkFolder(root: string, signal: AbortSignal): Promise<LocalFile[]> {
  const rootStats = await stat(root, { bigint: true });
  if (rootStats.isFile()) return [toLocalFile(parseRepoPath(basename(root)), root, rootStats)];
  if (!rootStats.isDirectory())
    throw new AnaxError('file_not_found', `${root} is neither a file nor a folder`);
  const base = await realpath(root);
  const files: LocalFile[] = [];
  const folders = [''];
  let entryCount = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted();
    const entries = await readdir(join(root, folder), { withFileTypes: true });
    entryCount += entries.length;
    checkListingSize(0, entryCount);
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) files.push(await toListed(root, path));
      else if (entry.isSymbolicLink()) files.push(await followLink(root, path, base));
    }
  }
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function toListed(root: string, path: string): Promise<LocalFile> {
  const absolutePath = join(root, path);
  return toLocalFile(parseRepoPath(path), absolutePath, await lstat(absolutePath, { bigint: true }));
}

async function followLink(root: string, path: string, base: string): Promise<LocalFile> {
  const absolutePath = join(root, path);
  const target = await targetInside(absolutePath, base);
  const stats = target === undefined ? undefined : await stat(target, { bigint: true });
  if (target === undefined || !stats?.isFile()) {
    throw new AnaxError('listing_unsafe', `${path} is a link to no file of the folder`, {
      hint: 'replace it by what it links to',
    });
  }
  return toLocalFile(parseRepoPath(path), absolutePath, stats);
}

/** Where a path really leads, if that lies in the folder `base` (itself without links). */
export async function targetInside(path: string, base: string): Promise<string | undefined> {
  try {
    const target = await realpath(path);
    return isAtOrUnder(target, base) ? target : undefined;
  } catch {
    return undefined;
  }
}

function toLocalFile(path: RepoPath, absolutePath: string, stats: BigIntStats): LocalFile {
  return { path, absolutePath, sizeBytes: Number(stats.size), modifiedNs: stats.mtimeNs, inode: stats.ino };
}
