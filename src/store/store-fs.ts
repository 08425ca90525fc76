// The file operations that the store uses, as a port: tests put a layer between that fails, or stops, at any of them.

import { type BigIntStats, writeSync } from 'node:fs';
import * as fsPromises from 'node:fs/promises';
import { dirname } from 'node:path';
import { AnaxError, systemErrorCode, systemErrorHint } from '../core/index.ts';

export interface StoreFs
  extends Pick<
    typeof fsPromises,
    | 'chmod'
    | 'copyFile'
    | 'link'
    | 'mkdir'
    | 'open'
    | 'readdir'
    | 'readFile'
    | 'rename'
    | 'stat'
    | 'statfs'
    | 'unlink'
  > {
  /** Writes into the page cache by this thread itself; how many of the bytes. */
  writeNow(file: StoreFile, bytes: Uint8Array, position: number): number;
}

export type StoreFile = fsPromises.FileHandle;

export const diskFs: StoreFs = {
  ...fsPromises,
  writeNow: ({ fd }, bytes, position) => writeSync(fd, bytes, 0, bytes.length, position),
};

/** Writes all of `bytes` at `position`. One write(2) but for the rare short one. */
export async function writeFully(file: StoreFile, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Fills `target` from `position`; whether the file reached that far. */
export async function readFully(file: StoreFile, target: Uint8Array, position: number): Promise<boolean> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

/** Makes the names in a folder durable. */
export async function syncFolder(fs: StoreFs, folder: string): Promise<void> {
  const handle = await fs.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file as a whole: after a crash it has the old content or the new. The name is durable on return. */
export async function writeDurably(fs: StoreFs, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}${TEMPORARY_SUFFIX}`;
  const handle = await fs.open(temporary, 'w', 0o600);
  try {
    await writeFully(handle, bytes, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.rename(temporary, path);
  await syncFolder(fs, dirname(path));
}

/** What `writeDurably` was writing when a crash came; removed when the store is opened. */
export const TEMPORARY_SUFFIX = '.tmp';

/** Nothing where there is no such file. `rm` would look twice at what it is before it unlinks it. */
export async function removeFile(fs: StoreFs, path: string): Promise<void> {
  try {
    await fs.unlink(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  }
}

/** `undefined` where the file is not there. */
export async function statIfThere(fs: StoreFs, path: string): Promise<BigIntStats | undefined> {
  try {
    return await fs.stat(path, { bigint: true });
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** `undefined` where the file is not there. */
export async function readIfThere(fs: StoreFs, path: string): Promise<Buffer | undefined> {
  try {
    return await fs.readFile(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A system error in the store's own folder: `disk_full` or `disk_io`. Everything else comes back as it is. */
export function toStoreError(error: unknown): unknown {
  const code = systemErrorCode(error);
  if (error instanceof AnaxError || code === undefined || !/^E[A-Z0-9]+$/u.test(code)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new AnaxError(full ? 'disk_full' : 'disk_io', message, { cause: error, ...systemErrorHint(code) });
}

/** Runs `work` and converts its system errors. */
export async function onDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStoreError(error);
  }
}
