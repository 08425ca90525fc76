// Reads a file of this machine: a range of it, or all of it for its digest.

import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AnaxError, createContentHasher, type Digest, MiB, type Range } from '../../core/index.ts';
import { fileNotFound } from '../listed-file.ts';
import { type LocalFile, targetInside } from './walk-folder.ts';

/** Read at a time: 0.5 ms of hashing, so other work gets its turn. */
const CHUNK_BYTES = 1 * MiB;

/** Chunks of a range, each in a buffer of its own. Throws `origin_changed` where the file does not have `sizeBytes`. */
export async function* readRangeOf(
  path: string,
  range: Range,
  sizeBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  await using handle = await open(path, 'r');
  if ((await handle.stat()).size !== sizeBytes) throw changed(path);
  for (let at = range.start; at < range.end; ) {
    signal.throwIfAborted();
    const chunk = await readAt(handle, at, Math.min(CHUNK_BYTES, range.end - at));
    if (chunk.length === 0) throw changed(path);
    at += chunk.length;
    yield chunk;
  }
}

async function readAt(handle: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}

/** The sha256 of a listed file. Throws `origin_changed` where it was changed since it was listed, or meanwhile. */
export async function digestOfFile(file: LocalFile, signal: AbortSignal): Promise<Digest> {
  const { absolutePath, sizeBytes, modifiedNs } = file;
  const hasher = createContentHasher('sha256', sizeBytes);
  const all = { start: 0, end: sizeBytes };
  for await (const chunk of readRangeOf(absolutePath, all, sizeBytes, signal)) hasher.update(chunk);
  const after = await stat(absolutePath, { bigint: true });
  if (after.mtimeNs !== modifiedNs || Number(after.size) !== sizeBytes) throw changed(absolutePath);
  return hasher.digest();
}

/** Where a listed path is on disk, links resolved. Throws `file_not_found`; so it does for what leaves the folder. */
export async function locate(root: string, path: string): Promise<string> {
  if ((await stat(root)).isFile()) return root;
  const target = await targetInside(join(root, path), await realpath(root));
  if (target === undefined) throw fileNotFound(path);
  return target;
}

function changed(path: string): AnaxError {
  return new AnaxError('origin_changed', path.slice(0, 300));
}
