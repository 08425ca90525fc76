// Packs on this host: small files laid end to end (core/pack.ts). A pack needs no verdict: every host checks each of
// its files, and a wrong one is wrong alone.

import {
  AnaxError,
  type BlobStore,
  type ContentAlgorithm,
  contentAlgorithm,
  type Digest,
  digestOf,
  hasCode,
  MAX_PACKED_BYTES,
  type MappedBlob,
  type StoredPart,
  signPiece,
} from '../core/index.ts';
import { type BlobTask, mismatch } from './blob-task.ts';
import type { SwarmContext } from './swarm-context.ts';

/**
 * Fills a pack, or a small blob, from files that the store holds, in whatever pack or blob they came. Nothing happens
 * where one is missing.
 */
export async function fillFromStore(
  { deps }: Pick<SwarmContext, 'deps'>,
  { open, mapped }: BlobTask,
): Promise<void> {
  if (mapped.sizeBytes > MAX_PACKED_BYTES && !mapped.parts) return;
  if (open.held.isFull) return;
  const bytes = Buffer.alloc(mapped.sizeBytes);
  for (const { digest, offsetBytes } of mapped.parts ?? [{ digest: mapped.digest, offsetBytes: 0 }]) {
    const file = await readGood(deps.store, digest);
    if (!file) return;
    file.copy(bytes, offsetBytes);
  }
  await open.write(0, bytes, signPiece(deps.identity, mapped, 0, deps.hash(bytes)));
}

/** A small file that the store holds; `undefined` where it has none that is what its digest says. */
export async function readGood(store: BlobStore, digest: Digest): Promise<Buffer | undefined> {
  const algorithm = contentAlgorithm(digest);
  if (!algorithm) return undefined;
  try {
    const bytes = await store.readSmall(digest);
    return bytes && digestOf(algorithm, bytes) === digest ? bytes : undefined;
  } catch (error) {
    if (hasCode(error, 'piece_corrupt', 'blob_not_found')) return undefined;
    throw error;
  }
}

/** Reads a full pack, checks its files and commits it. The task is complete then, its wrong files aside. */
export async function openPack(task: BlobTask, pathOf: (digest: Digest) => string): Promise<void> {
  const { mapped, open } = task;
  const bytes = Buffer.allocUnsafe(mapped.sizeBytes);
  await open.read(0, 0, bytes);
  const good: StoredPart[] = [];
  for (const { digest, offsetBytes, sizeBytes } of mapped.parts ?? []) {
    const names = namesOf(bytes.subarray(offsetBytes, offsetBytes + sizeBytes));
    const actual = names[algorithmOf(digest)];
    if (actual === digest) good.push({ digests: [digest, otherName(names, digest)], offsetBytes, sizeBytes });
    else task.failFile(digest, mismatch(pathOf(digest), digest, actual));
  }
  await open.commit([], good);
  task.complete();
}

type Names = Readonly<Record<ContentAlgorithm, Digest>>;

function namesOf(bytes: Uint8Array): Names {
  return { sha256: digestOf('sha256', bytes), 'git-sha1': digestOf('git-sha1', bytes) };
}

function otherName(names: Names, digest: Digest): Digest {
  return algorithmOf(digest) === 'sha256' ? names['git-sha1'] : names.sha256;
}

function algorithmOf(digest: Digest): ContentAlgorithm {
  const algorithm = contentAlgorithm(digest);
  if (!algorithm) throw new AnaxError('internal', `not a file of a pack: ${digest}`);
  return algorithm;
}

/** What a pack is called in messages. */
export function packName(first: string, { parts = [] }: MappedBlob): string {
  return parts.length > 1 ? `${first} and ${parts.length - 1} more` : first;
}
