// Keys made from what was asked for: what is the same for everybody, and whose access was checked.

import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { Credentials, OriginRef } from '../core/index.ts';

/** Which files of a ref are wanted. */
export interface PathFilters {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Names a ref with its filters, without telling what they are: it goes to the scheduler. */
export function refKeyOf(ref: OriginRef, filters: PathFilters): string {
  const { scheme, endpoint, repo, revision, path } = ref;
  const include = [...filters.include].sort();
  const exclude = [...filters.exclude].sort();
  const parts = [scheme, endpoint, repo, revision, path, include, exclude];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Drawn anew for each process, so that a fingerprint in memory tells nothing about the token elsewhere. */
const FINGERPRINT_KEY = randomBytes(32);

/** Tells two callers' credentials apart without keeping them. */
export function credentialsFingerprint({ token, headers }: Credentials): string {
  const hmac = createHmac('sha256', FINGERPRINT_KEY).update(token?.reveal() ?? '');
  for (const [name, value] of Object.entries(headers ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    hmac.update(`\0${name.toLowerCase()}\0${value.reveal()}`);
  }
  return hmac.digest('hex');
}
