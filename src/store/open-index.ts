// Opens the index, or a new one in the place of one that can't be used. The caller owns the store.

import { rename } from 'node:fs/promises';
import { AnaxError, type Logger } from '../core/index.ts';
import { IndexDatabase } from './index-database.ts';
import { removeFile, type StoreFs } from './store-fs.ts';

/** Throws `disk_io` where not even a new index can be made. */
export async function openIndex(fs: StoreFs, logger: Logger, path: string): Promise<IndexDatabase> {
  try {
    return new IndexDatabase(path);
  } catch (error) {
    logger.warn('the index of the store cannot be used and is rebuilt', { path, error: String(error) });
  }
  // Kept for whoever wants to know why; only the last one.
  await rename(path, `${path}.bad`).catch(() => undefined);
  for (const suffix of ['', '-wal', '-shm', '-journal']) await removeFile(fs, `${path}${suffix}`);
  try {
    return new IndexDatabase(path);
  } catch (error) {
    throw new AnaxError('disk_io', `cannot make ${path}`, { cause: error });
  }
}
