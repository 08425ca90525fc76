// What sources share about listings: counting against limits, and picking one file.

import { AnaxError, isAtOrUnder, MAX_FILES } from '../core/index.ts';

/** Pages of one listing, at most: a hub that always has a next page is broken or hostile. */
const MAX_LISTING_PAGES = 20_000;

/** Throws `limit_exceeded` for a page or entry too many. Entries are files and folders. */
export function checkListingSize(pages: number, entries: number): void {
  if (pages > MAX_LISTING_PAGES)
    throw new AnaxError('limit_exceeded', `a listing of over ${MAX_LISTING_PAGES} pages`);
  if (entries > MAX_FILES) throw new AnaxError('limit_exceeded', `a listing of over ${MAX_FILES} entries`);
}

interface Pathed {
  readonly path: string;
}

/** The files at or under `path`; throws `file_not_found` where a path that is not empty holds none. */
export function filesUnder<File extends Pathed>(files: readonly File[], path: string): File[] {
  const found = path === '' ? [...files] : files.filter((file) => isAtOrUnder(file.path, path));
  if (found.length === 0 && path !== '') throw fileNotFound(path);
  return found;
}

/** Throws `file_not_found`. */
export function pickFile<File extends Pathed>(files: readonly File[], path: string): File {
  const file = files.find((candidate) => candidate.path === path);
  if (file === undefined) throw fileNotFound(path);
  return file;
}

export function fileNotFound(path: string): AnaxError {
  return new AnaxError('file_not_found', path.slice(0, 300), { details: { path: path.slice(0, 300) } });
}
