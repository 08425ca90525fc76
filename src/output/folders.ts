// Makes the folders of an output, and refuses to walk through a link below it: whoever put it there would decide where
// the files go.

import { lstat, mkdir, realpath } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { AnaxError, systemErrorCode } from '../core/index.ts';

export class Folders {
  readonly #root: string;
  readonly #made = new Map<string, Promise<void>>();

  /** `root` is absolute; it may itself be, or lie behind, a link: the user named it. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Makes `folder`, the root or one below it. Throws `output_unwritable`. */
  async make(folder: string): Promise<void> {
    const known = this.#made.get(folder) ?? this.#make(folder);
    this.#made.set(folder, known);
    try {
      await known;
    } catch (error) {
      // So that the next try looks again.
      this.#made.delete(folder);
      throw error;
    }
  }

  async #make(folder: string): Promise<void> {
    if (folder === this.#root) {
      await mkdir(folder, { recursive: true });
      return;
    }
    await this.make(dirname(folder));
    await mkdir(folder).catch((error: unknown) => {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    });
    const stats = await lstat(folder);
    if (stats.isDirectory()) return;
    if (!stats.isSymbolicLink()) throw new AnaxError('output_unwritable', `${folder} is no folder`);
    throw new AnaxError(
      'output_unwritable',
      `${folder} is a link to ${await realpath(folder).catch(() => '?')}`,
      {
        hint: 'remove the link, or write to the folder that it names',
        details: { path: relative(this.#root, folder).split(sep).join('/') },
      },
    );
  }

  /** Whether the way to `folder` is without links; a missing part is. Makes nothing. */
  async isPlain(folder: string): Promise<boolean> {
    for (let at = folder; at !== this.#root; at = dirname(at)) {
      const stats = await lstat(at).catch(() => undefined);
      if (stats && !stats.isDirectory()) return false;
    }
    return true;
  }

  join(path: string): string {
    return join(this.#root, path);
  }
}
