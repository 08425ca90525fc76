// What folders held when they were first looked at, so that a thousand files that are not there cost one look and not a
// thousand.

import { opendir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { systemErrorCode } from '../core/index.ts';

/** A folder with more is not kept in memory; its files are looked at one by one. */
const MAX_NAMES = 65_536;

export class Listings {
  readonly #folders = new Map<string, Promise<Set<string> | undefined>>();

  /**
   * Whether the name was not there. Something may have come since, or be there under a name that the filesystem holds to
   * be the same: whoever writes on this word must not replace.
   */
  async lacks(path: string): Promise<boolean> {
    const folder = dirname(path);
    const known = this.#folders.get(folder) ?? readNames(folder);
    this.#folders.set(folder, known);
    return (await known)?.has(basename(path)) === false;
  }

  /** The name has come into being. */
  async add(path: string): Promise<void> {
    (await this.#folders.get(dirname(path)))?.add(basename(path));
  }
}

/** `undefined` where the folder cannot be read or has too many; none where there is no such folder. */
async function readNames(folder: string): Promise<Set<string> | undefined> {
  const names = new Set<string>();
  try {
    for await (const { name } of await opendir(folder, { bufferSize: 1024 })) {
      if (names.size === MAX_NAMES) return undefined;
      names.add(name);
    }
    return names;
  } catch (error) {
    return systemErrorCode(error) === 'ENOENT' ? names : undefined;
  }
}
