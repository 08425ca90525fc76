// What a person asks of the cache: list it, remove from it.

import {
  AnaxError,
  type BlobStore,
  type Digest,
  type StoredBlob,
  type StoredSnapshot,
  totalBytes,
} from '../core/index.ts';
import type { BlobSelector, CacheListing, RemoveResult, SnapshotEntry } from '../rpc/index.ts';

export function listCache(store: BlobStore, format: (snapshot: StoredSnapshot) => string): CacheListing {
  const blobs = store.list();
  const held = new Map(
    blobs.flatMap((blob) => [
      ...[blob.digest, ...blob.aliases].map((digest) => [digest, blob.heldBytes] as const),
      ...blob.parts.flatMap((part) => part.digests.map((digest) => [digest, part.sizeBytes] as const)),
    ]),
  );
  return {
    blobs: blobs.map(({ digest, sizeBytes, heldBytes, state, aliases, lastUsedAtMs }) => ({
      digest,
      sizeBytes,
      heldBytes,
      state,
      aliases,
      lastUsedAtMs,
    })),
    snapshots: store
      .snapshots()
      .map((snapshot) => describeSnapshot(snapshot, held, format))
      .filter(({ heldBytes, totalBytes }) => heldBytes > 0 || totalBytes === 0),
  };
}

function describeSnapshot(
  snapshot: StoredSnapshot,
  held: ReadonlyMap<Digest, number>,
  format: (snapshot: StoredSnapshot) => string,
): SnapshotEntry {
  const { files } = snapshot.manifest;
  const digests = [...new Set(files.map(({ digest }) => digest))];
  return {
    snapshotId: snapshot.id,
    url: format(snapshot),
    files: files.length,
    totalBytes: totalBytes(snapshot.manifest),
    heldBytes: digests.reduce((sum, digest) => sum + (held.get(digest) ?? 0), 0),
    digests,
  };
}

/** The blobs that a selector means. Throws `blob_not_found`, `usage_invalid` for an ambiguous head. */
export function selectBlobs(store: BlobStore, target: BlobSelector | undefined): StoredBlob[] {
  const all = store.list();
  if (!target) return all;
  const digests = target.kind === 'digest' ? [target.digest] : digestsOf(store, target.snapshotId);
  const found = all.filter((blob) => namesIn(blob).some((name) => digests.includes(name)));
  if (found.length === 0) {
    throw new AnaxError('blob_not_found', target.kind === 'digest' ? target.digest : target.snapshotId);
  }
  return found;
}

/** Everything that a blob is known by: what is inside it, too. */
export function namesIn({ digest, aliases, parts }: StoredBlob): Digest[] {
  return [digest, ...aliases, ...parts.flatMap(({ digests }) => digests)];
}

function digestsOf(store: BlobStore, head: string): Digest[] {
  const matches = store.snapshots().filter(({ id }) => id.startsWith(head));
  const ids = new Set(matches.map(({ id }) => id));
  if (ids.size > 1) throw new AnaxError('usage_invalid', `${ids.size} snapshots begin with ${head}`);
  return matches.flatMap(({ manifest }) => manifest.files.map(({ digest }) => digest));
}

/** `release` is asked to let go of the blobs first. Throws `store_locked` for one that a download uses. */
export async function removeFromCache(
  store: BlobStore,
  target: BlobSelector,
  release: (digests: ReadonlySet<Digest>) => Promise<void>,
): Promise<RemoveResult> {
  const wanted = selectBlobs(store, target).filter(
    (blob) => target.kind === 'digest' || !isShared(store, blob, target),
  );
  await release(new Set(wanted.flatMap(namesIn)));
  let blobs = 0;
  let freedBytes = 0;
  for (const { digest, heldBytes } of wanted) {
    if (!(await store.remove(digest))) continue;
    blobs += 1;
    freedBytes += heldBytes;
  }
  return { blobs, freedBytes };
}

/** Whether another snapshot than the one that is removed has the blob. */
function isShared(
  store: BlobStore,
  blob: StoredBlob,
  { snapshotId }: { readonly snapshotId: string },
): boolean {
  const names = new Set(namesIn(blob));
  return store
    .snapshots()
    .some(
      ({ id, manifest }) =>
        !id.startsWith(snapshotId) && manifest.files.some((file) => names.has(file.digest)),
    );
}
