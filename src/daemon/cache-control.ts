// What a person asks of the cache: list it, remove from it, keep something in it.

import {
  AnaxError,
  assert,
  type BlobStore,
  type Digest,
  type StoredBlob,
  type StoredSnapshot,
  totalBytes,
} from '../core/index.ts';
import type { BlobSelector, CacheListing, PinResult, RemoveResult, SnapshotEntry } from '../rpc/index.ts';

export function listCache(store: BlobStore, format: (snapshot: StoredSnapshot) => string): CacheListing {
  const blobs = store.list();
  const held = new Map(
    blobs.flatMap((blob) => [
      ...[blob.digest, ...blob.aliases].map((digest) => [digest, blob.heldBytes] as const),
      ...blob.parts.flatMap((part) => part.digests.map((digest) => [digest, part.sizeBytes] as const)),
    ]),
  );
  const pins = store.pins();
  const pinned = new Set(pins.flatMap(({ digests }) => digests));
  const names = new Set(pins.map(({ name }) => name));
  return {
    blobs: blobs.map((blob) => {
      const { digest, sizeBytes, heldBytes, state, aliases, lastUsedAtMs } = blob;
      const isPinned = namesIn(blob).some((name) => pinned.has(name));
      return { digest, sizeBytes, heldBytes, state, aliases, lastUsedAtMs, pinned: isPinned };
    }),
    snapshots: store
      .snapshots()
      .map((snapshot) => ({ ...describeSnapshot(snapshot, held, format), pinned: names.has(snapshot.id) }))
      .filter(({ heldBytes, totalBytes }) => heldBytes > 0 || totalBytes === 0),
  };
}

function describeSnapshot(
  snapshot: StoredSnapshot,
  held: ReadonlyMap<Digest, number>,
  format: (snapshot: StoredSnapshot) => string,
): Omit<SnapshotEntry, 'pinned'> {
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
  return (findSnapshot(store, head)?.manifest.files ?? []).map(({ digest }) => digest);
}

function findSnapshot(store: BlobStore, head: string): StoredSnapshot | undefined {
  const snapshots = store.snapshots();
  const id = oneOf(
    snapshots.map((snapshot) => snapshot.id),
    head,
  );
  return snapshots.find((snapshot) => snapshot.id === id);
}

/** The id with this head; `undefined` where there is none. Throws `usage_invalid` for several. */
function oneOf(ids: readonly string[], head: string): string | undefined {
  const matches = new Set(ids.filter((id) => id.startsWith(head)));
  if (matches.size > 1) throw new AnaxError('usage_invalid', `${matches.size} snapshots begin with ${head}`);
  return [...matches][0];
}

/** Keeps a blob, or all of a snapshot, from eviction. Throws `blob_not_found`. */
export async function pinInCache(store: BlobStore, target: BlobSelector): Promise<PinResult> {
  if (target.kind === 'digest') {
    const [blob] = selectBlobs(store, target);
    assert(blob, 'what is selected is at least one');
    await store.pin({ name: target.digest, digests: [target.digest, blob.digest, ...blob.aliases] });
    return { name: target.digest, blobs: 1 };
  }
  const snapshot = findSnapshot(store, target.snapshotId);
  if (!snapshot) throw new AnaxError('blob_not_found', `no snapshot ${target.snapshotId}`);
  const digests = [...new Set(snapshot.manifest.files.map(({ digest }) => digest))];
  await store.pin({ name: snapshot.id, digests });
  return { name: snapshot.id, blobs: digests.length };
}

/** Takes a pin back, under the name that it was made. Throws `blob_not_found` where there is none. */
export async function unpinInCache(store: BlobStore, target: BlobSelector): Promise<PinResult> {
  const asked = target.kind === 'digest' ? target.digest : target.snapshotId;
  const pins = store.pins();
  const name =
    target.kind === 'digest'
      ? asked
      : oneOf(
          pins.map((pin) => pin.name),
          asked,
        );
  const pin = pins.find((one) => one.name === name);
  if (!pin)
    throw new AnaxError('blob_not_found', `${asked} is not pinned by itself`, { hint: 'see anax ls' });
  await store.unpin(pin.name);
  return { name: pin.name, blobs: pin.digests.length };
}

/** Throws `store_locked` where a pin keeps the blob. */
function assertNotPinned(store: BlobStore, blob: StoredBlob): void {
  const names = namesIn(blob);
  const pin = store.pins().find(({ digests }) => digests.some((digest) => names.includes(digest)));
  if (!pin) return;
  throw new AnaxError('store_locked', `${blob.digest} is pinned (${pin.name})`, {
    hint: 'anax unpin it first',
  });
}

/** `release` is asked to let go of the blobs first. Throws `store_locked` for one that is pinned or in use. */
export async function removeFromCache(
  store: BlobStore,
  target: BlobSelector,
  release: (digests: ReadonlySet<Digest>) => Promise<void>,
): Promise<RemoveResult> {
  const wanted = selectBlobs(store, target).filter(
    (blob) => target.kind === 'digest' || !isShared(store, blob, target),
  );
  for (const blob of wanted) assertNotPinned(store, blob);
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
