// Paths inside a snapshot. They come from outside and become paths on disk, so they are checked once, here: relative,
// `/` between segments, nothing that climbs out, no control characters, bounded.

import type { Brand } from './brand.ts';
import { AnaxError } from './error.ts';

/** A relative POSIX path that stays inside whatever folder it is joined to. */
export type RepoPath = Brand<string, 'RepoPath'>;

/** PATH_MAX less room for the output folder; Linux takes 255 bytes a name. */
const MAX_PATH_BYTES = 2048;
const MAX_SEGMENT_BYTES = 255;

function complaint(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return 'is too long';
  if (path.startsWith('/')) return 'is absolute';
  if (path.includes('\\')) return 'has a backslash';
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/u.test(path)) return 'has a control character';
  if (!path.isWellFormed()) return 'is not valid Unicode';
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') return `has a segment "${segment}"`;
    if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) return 'has a segment that is too long';
  }
  return undefined;
}

/** Throws `listing_unsafe` where the path could leave its folder or could not exist. */
export function parseRepoPath(path: string): RepoPath {
  const why = complaint(path);
  if (why !== undefined) {
    throw new AnaxError('listing_unsafe', `${JSON.stringify(path.slice(0, 200))} ${why}`);
  }
  return path as RepoPath;
}

/** Whether `path` is `folder` itself or lies in it; the empty folder holds everything. */
export function isAtOrUnder(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`);
}
