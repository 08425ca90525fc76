// The pinned revision of a ModelScope snapshot. ModelScope tells no commit for a whole repository: a listing gives each
// file's last commit and content hash only. So a pin is the branch, tag or commit that was asked for, which is what the
// hub can be asked by, and a hash over the listing, which is what makes it immutable:  master~0f3a…  (32 hex digits;
// `~` can't be in a git name). Asking by the pin works as long as the branch still has that content.

import { createHash } from 'node:crypto';
import { type ListedFile } from '../../core/index.ts';
import { isRevisionName } from '../ref-text.ts';

export interface SnapshotRevision {
  /** Branch, tag or commit: what the hub is asked by. */
  readonly branch: string;
  /** Of the listing; `undefined` where the revision is not pinned. */
  readonly hash: string | undefined;
}

const defaultBranch = 'master';

const PINNED = /^([^~]+)~([0-9a-f]{32})$/u;

/** Reads `master`, `master~<hash>` or nothing at all; `undefined` where it is none of these. */
export function parseSnapshotRevision(text: string): SnapshotRevision | undefined {
  if (text === '') return { branch: defaultBranch, hash: undefined };
  const match = PINNED.exec(text);
  const branch = match?.[1] ?? text;
  return isRevisionName(branch) ? { branch, hash: match?.[2] } : undefined;
}

export function formatSnapshotRevision(branch: string, hash: string): string {
  return `${branch}~${hash}`;
}

/** 128 bits of the sha256 over the sorted rows of path, digest and size. */
export function hashListing(files: readonly ListedFile[]): string {
  const rows = files
    .map(({ path, digest, sizeBytes }) => JSON.stringify([path, digest, sizeBytes]))
    .toSorted();
  return createHash('sha256').update(rows.join('\n')).digest('hex').slice(0, 32);
}
