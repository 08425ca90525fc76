// Whether a file on disk is the one of a manifest: by size, then by digest over its bytes.

import { lstat, open } from 'node:fs/promises';
import {
  createContentHasher,
  type Digest,
  digestAlgorithm,
  digestOf,
  isVerifiable,
  type ManifestFile,
  MiB,
  systemErrorCode,
} from '../core/index.ts';
import type { OutputDeps } from './output.ts';

const READ_BYTES = 1 * MiB;

/**
 * A regular file's state against what it should be. `absent` where there is nothing, not even a dangling link; `empty`
 * where a file that is to have content has none, as a power loss leaves one that was not flushed: there is nothing to lose
 * in it; `unknown` where the origin published no digest and the store knows none either.
 */
export type Existing = 'absent' | 'empty' | 'same' | 'different' | 'unknown';

export async function compareExisting(deps: OutputDeps, path: string, file: ManifestFile): Promise<Existing> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (!stats) return 'absent';
  if (!stats.isFile()) return 'different';
  if (stats.size !== file.sizeBytes) return stats.size === 0 ? 'empty' : 'different';
  const isKnown = file.sizeBytes === 0 || (await verifiableDigest(deps, file.digest)) !== undefined;
  if (!isKnown) return 'unknown';
  return (await hasContent(deps, path, file)) ? 'same' : 'different';
}

/** Whether the bytes at `path`, links followed, are the file's. Its size is known to be right. */
export async function hasContent(deps: OutputDeps, path: string, file: ManifestFile): Promise<boolean> {
  if (file.sizeBytes === 0) return true;
  const expected = await verifiableDigest(deps, file.digest);
  return expected !== undefined && (await hashFile(path, expected, file.sizeBytes)) === expected;
}

async function verifiableDigest(deps: OutputDeps, digest: Digest): Promise<Digest | undefined> {
  if (isVerifiable(digest)) return digest;
  return (await deps.aliases?.(digest))?.find(isVerifiable);
}

async function hashFile(path: string, expected: Digest, sizeBytes: number): Promise<Digest> {
  const algorithm = digestAlgorithm(expected) === 'git-sha1' ? 'git-sha1' : 'sha256';
  const hasher = createContentHasher(algorithm, sizeBytes);
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, sizeBytes));
  const handle = await open(path, 'r');
  try {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return hasher.digest();
      hasher.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

const EMPTY_DIGEST = digestOf('sha256', new Uint8Array(0));

/** The digest to materialize a file by: an empty file is empty whatever it is called. */
export function contentDigest(file: ManifestFile): Digest {
  return file.sizeBytes === 0 ? EMPTY_DIGEST : file.digest;
}
