// What a blob is asked for by, across swarms: a hash of its digest and of where it may be known from. It says neither to
// who does not know both already. See docs/adr/0011.

import { createHash } from 'node:crypto';
import type { Digest } from './digest.ts';
import type { SnapshotId } from './ids.ts';

/** Stands where a snapshot's id would when a channel is opened for one blob. 64 hex digits. */
export type BlobKey = SnapshotId;

/** A hub's host, for content that it lists; `public` for what a hub of the operator's lists for everybody. */
export type BlobScope = { readonly hub: string } | 'public';

export function blobKey(digest: Digest, scope: BlobScope): BlobKey {
  const place = scope === 'public' ? 'public' : `hub ${scope.hub}`;
  return createHash('sha256').update(`anax blob 1\0${digest}\0${place}`).digest('hex') as BlobKey;
}
