// Whether there is any hope of writing to a place, asked before the first byte is fetched: nobody shall learn after hours
// that the folder was the wrong one. It makes nothing; what changes later is found when a file is put there.

import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AnaxError, systemErrorCode } from '../core/index.ts';
import { onOutput } from './output.ts';

/** `folder`, or what there is of the way to it, must be a folder that may be written to. Throws `output_unwritable`. */
export async function checkWritable(folder: string): Promise<void> {
  await onOutput(async () => {
    const there = await nearestExisting(folder);
    if (!there.isFolder) throw new AnaxError('output_unwritable', `${there.path} is not a folder`);
    await access(there.path, constants.W_OK | constants.X_OK);
  });
}

async function nearestExisting(path: string): Promise<{ path: string; isFolder: boolean }> {
  try {
    return { path, isFolder: (await stat(path)).isDirectory() };
  } catch (error) {
    const isMissing = ['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '');
    if (!isMissing || dirname(path) === path) throw error;
    return await nearestExisting(dirname(path));
  }
}
