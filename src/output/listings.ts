// What folders held when they were first looked at, so that a thousand files that are not there cost one look and not a
// thousand. With the same look go the temporary files that a killed process left there.

import { opendir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemErrorCode, type TemporaryNames } from '../core/index.ts';

/** A folder with more is not kept in memory; its files are looked at one by one, and leftovers behind these stay. */
const MAX_NAMES = 65_536;

export class Listings {
  readonly #temporaries: TemporaryNames;
  readonly #folders = new Map<string, Promise<Set<string> | undefined>>();

  constructor(temporaries: TemporaryNames) {
    this.#temporaries = temporaries;
  }

  /**
   * Whether the name was not there. Something may have come since, or be there under a name that the filesystem holds to
   * be the same: whoever writes on this word must not replace.
   */
  async lacks(path: string): Promise<boolean> {
    return (await this.#names(dirname(path)))?.has(basename(path)) === false;
  }

  /** The name has come into being. */
  async add(path: string): Promise<void> {
    (await this.#folders.get(dirname(path)))?.add(basename(path));
  }

  /** For a folder of whose names nobody asks. */
  async removeLeftovers(folder: string): Promise<void> {
    await this.#names(folder);
  }

  #names(folder: string): Promise<Set<string> | undefined> {
    const known = this.#folders.get(folder) ?? this.#read(folder);
    this.#folders.set(folder, known);
    return known;
  }

  /** `undefined` where the folder cannot be read or has too many; none where there is no such folder. */
  async #read(folder: string): Promise<Set<string> | undefined> {
    const names = new Set<string>();
    try {
      for await (const { name } of await opendir(folder, { bufferSize: 1024 })) {
        if (names.size === MAX_NAMES) return undefined;
        if (this.#temporaries.isLeftover(name)) await removeQuietly(join(folder, name));
        else names.add(name);
      }
      return names;
    } catch (error) {
      return systemErrorCode(error) === 'ENOENT' ? names : undefined;
    }
  }
}

/** What cannot be removed is in nobody's way. */
async function removeQuietly(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => undefined);
}
