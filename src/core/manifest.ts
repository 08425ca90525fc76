// A manifest is a snapshot's files with sizes, digests and piece lengths. Its identity is its content: two origins
// that hold the same files under the same names give the same snapshot id. Manifests come from outside (peers, disk),
// so `decodeManifest` checks everything.

import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, parseDigest } from './digest.ts';
import { AnaxError } from './error.ts';
import type { SnapshotId } from './ids.ts';
import { isPieceLength, MAX_BLOB_BYTES, pieceLengthFor } from './piece.ts';
import { parseRepoPath, type RepoPath } from './repo-path.ts';

/** Files in one snapshot, at most. The largest public datasets have some 100,000. */
export const MAX_FILES = 1_000_000;

/** Encoded size of a manifest, at most. */
export const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;

export interface ManifestFile {
  readonly path: RepoPath;
  readonly sizeBytes: number;
  readonly digest: Digest;
  /** A power of two, 1 MiB to 16 MiB. */
  readonly pieceLengthBytes: number;
}

export interface Manifest {
  readonly id: SnapshotId;
  /** Sorted by path (code units); no path twice, no path that is also a folder of another. */
  readonly files: readonly ManifestFile[];
}

/** A file as a source lists it. */
export interface ListedFile {
  readonly path: RepoPath;
  readonly sizeBytes: number;
  readonly digest: Digest;
}

/** Builds the manifest of listed files. Throws `listing_unsafe` or `limit_exceeded` for a listing that can't be one. */
export function createManifest(listed: readonly ListedFile[]): Manifest {
  const files = listed
    .map(({ path, sizeBytes, digest }) => ({
      path,
      sizeBytes,
      digest,
      pieceLengthBytes: pieceLengthFor(sizeBytes),
    }))
    .toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return finish(files);
}

function finish(files: readonly ManifestFile[]): Manifest {
  if (files.length > MAX_FILES) {
    throw new AnaxError('limit_exceeded', `${files.length} files; the limit is ${MAX_FILES}`);
  }
  checkPaths(files);
  const sizes = new Map<Digest, number>();
  for (const file of files) checkFile(file, sizes);
  const id = createHash('sha256').update(canonicalForm(files)).digest('hex') as SnapshotId;
  return { id, files };
}

function checkFile(file: ManifestFile, sizes: Map<Digest, number>): void {
  const { sizeBytes, digest, path } = file;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || sizeBytes > MAX_BLOB_BYTES) {
    throw new AnaxError('limit_exceeded', `${path} has ${sizeBytes} bytes; the limit is ${MAX_BLOB_BYTES}`);
  }
  if (digestAlgorithm(digest) === 'pack')
    throw new AnaxError('listing_unsafe', `${path} has the digest of a pack`);
  const known = sizes.get(digest);
  if (known !== undefined && known !== sizeBytes) {
    throw new AnaxError('listing_unsafe', `${path}: one digest with two sizes, ${known} and ${sizeBytes}`);
  }
  sizes.set(digest, sizeBytes);
}

function checkPaths(files: readonly ManifestFile[]): void {
  const names = new Set<string>();
  for (const { path } of files) {
    if (names.has(path)) throw new AnaxError('listing_unsafe', `${path} is listed twice`);
    names.add(path);
  }
  for (const { path } of files) {
    for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      if (names.has(folder)) throw new AnaxError('listing_unsafe', `${folder} is a file and a folder`);
    }
  }
}

/** `[path, size, digest, piece length]` rows as JSON: the bytes that the snapshot id is the hash of, and that travel. */
function canonicalForm(files: readonly ManifestFile[]): string {
  return JSON.stringify(files.map((f) => [f.path, f.sizeBytes, f.digest, f.pieceLengthBytes]));
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  return Buffer.from(canonicalForm(manifest.files));
}

/** Reads an encoded manifest; throws `peer_protocol` unless it is one and has the id. */
export function decodeManifest(id: SnapshotId, bytes: Uint8Array): Manifest {
  if (bytes.length > MAX_MANIFEST_BYTES) throw new AnaxError('limit_exceeded', 'the manifest is too large');
  const files = parseRows(bytes).map(readRow);
  const manifest = finish(files);
  if (manifest.id !== id) throw new AnaxError('peer_protocol', 'the manifest is not the one asked for');
  return manifest;
}

function parseRows(bytes: Uint8Array): unknown[] {
  try {
    const rows: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (Array.isArray(rows)) return rows;
  } catch {
    // Falls through: what is no JSON is no manifest.
  }
  throw new AnaxError('peer_protocol', 'not a manifest');
}

function readRow(row: unknown): ManifestFile {
  if (!Array.isArray(row)) throw new AnaxError('peer_protocol', 'not a manifest');
  const [path, sizeBytes, digest, pieceLengthBytes] = row as unknown[];
  if (
    typeof path !== 'string' ||
    typeof sizeBytes !== 'number' ||
    typeof digest !== 'string' ||
    typeof pieceLengthBytes !== 'number' ||
    !isPieceLength(pieceLengthBytes)
  ) {
    throw new AnaxError('peer_protocol', 'not a manifest');
  }
  return { path: parseRepoPath(path), sizeBytes, digest: parseDigest(digest), pieceLengthBytes };
}

export function totalBytes(manifest: Manifest): number {
  return manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0);
}
