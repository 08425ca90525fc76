// What an error of the local disk means to who reads from it as from an origin.

import { AnaxError, type ErrorCode, isAbortError, systemErrorCode } from '../../core/index.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'file_not_found',
  ENOTDIR: 'file_not_found',
  EACCES: 'access_denied',
  EPERM: 'access_denied',
  ELOOP: 'listing_unsafe',
};

/** Converts what `node:fs` threw; what is no error of the disk comes back as it is. */
export function toFileError(error: unknown, path: string): unknown {
  const code = systemErrorCode(error);
  if (error instanceof AnaxError || isAbortError(error) || code === undefined) return error;
  const known = CODES[code] ?? 'disk_io';
  const hint = known === 'access_denied' ? { hint: 'may this user read it?' } : {};
  return new AnaxError(known, `${path.slice(0, 300)} (${code})`, { cause: error, ...hint });
}
