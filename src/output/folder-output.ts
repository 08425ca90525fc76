// A snapshot as a folder of plain files under their own paths.

import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ManifestFile } from '../core/index.ts';
import { Folders } from './folders.ts';
import { Listings } from './listings.ts';
import { type Output, type OutputDeps, type OutputOptions, onOutput } from './output.ts';
import { isInPlace, placeFile } from './place-file.ts';

/**
 * Small files are whole before they have their names, but not flushed one by one: that was a good part of their cost. What a
 * power loss may leave of one, an empty file, the next download replaces; the store has its bytes.
 *
 * The folder is made with the first file, or at the end where there is none.
 */
export function folderOutput(deps: OutputDeps, folder: string, options: OutputOptions): Output {
  const root = resolve(folder);
  const folders = new Folders(root);
  const listings = new Listings(deps.temporaryNames);
  const target = (file: ManifestFile): string => folders.join(file.path);
  return {
    target,
    has: (file) =>
      onOutput(async () => {
        if (await listings.lacks(target(file))) return false;
        if (!(await folders.isPlain(dirname(target(file))))) return false;
        return await isInPlace(deps, file, target(file), options);
      }),
    write: (file) =>
      onOutput(async () => {
        await folders.make(dirname(target(file)));
        const isNew = await listings.lacks(target(file));
        const outcome = await placeFile(deps, file, target(file), { ...options, isNew, durable: false });
        await listings.add(target(file));
        return outcome;
      }),
    finish: () => onOutput(async () => void (await mkdir(root, { recursive: true }))),
  };
}
