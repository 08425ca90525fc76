// One file at the path that the user gave.

import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { assert, type ManifestFile } from '../core/index.ts';
import { Listings } from './listings.ts';
import { type Output, type OutputDeps, type OutputOptions, onOutput } from './output.ts';
import { isInPlace, placeFile } from './place-file.ts';

/**
 * Where a single file goes: to the path itself, or under its own name into the path, where that ends in a slash or is a
 * folder. Absolute.
 */
export async function resolveFileTarget(path: string, file: ManifestFile): Promise<string> {
  const isFolder = /[/\\]$/u.test(path) || (await stat(path).catch(() => undefined))?.isDirectory() === true;
  return resolve(isFolder ? join(path, basename(file.path)) : path);
}

/** `target` comes from `resolveFileTarget`. Parent folders are made. */
export function fileOutput(deps: OutputDeps, target: string, options: OutputOptions): Output {
  const listings = new Listings(deps.temporaryNames);
  let taken: string | undefined;
  return {
    target: () => target,
    has: (file) =>
      onOutput(async () => !(await listings.lacks(target)) && (await isInPlace(deps, file, target, options))),
    write: (file) =>
      onOutput(async () => {
        assert(taken === undefined || taken === file.path, 'a file output takes one file');
        taken = file.path;
        await mkdir(dirname(target), { recursive: true });
        const isNew = await listings.lacks(target);
        const outcome = await placeFile(deps, file, target, { ...options, isNew, durable: true });
        await listings.add(target);
        return outcome;
      }),
    finish: async () => undefined,
  };
}
