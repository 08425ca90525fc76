// Packs: small files travel together. A snapshot's small files, in the order of the manifest, are laid end to end in
// packs of at most 1 MiB; a pack is transferred, proven and stored like a blob of one piece, so that a thousand small
// files cost a dozen pieces. Every host makes the same packs of the same manifest, and checks each file of a pack by
// its own digest.

import { createHash } from 'node:crypto';
import { KiB } from './bytes.ts';
import { type Digest, isVerifiable } from './digest.ts';
import { type Geometry, MIN_PIECE_LENGTH_BYTES } from './piece.ts';

/** Content inside a blob. */
export interface BlobPart {
  readonly digest: Digest;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** Files up to this size are packed: a pack that does not take one more is at least three quarters full. */
export const MAX_PACKED_BYTES = 256 * KiB;

/** One piece of the shortest length. */
const PACK_BYTES = MIN_PIECE_LENGTH_BYTES;

export interface PackedBlob extends Geometry {
  readonly digest: Digest;
  /** The files of a pack, in order, without gaps; absent for a blob that is one file. */
  readonly parts?: readonly BlobPart[];
}

/** Puts the small blobs into packs; a pack stands where its first blob stood, and one alone stays as it is. */
export function packSmallBlobs(blobs: readonly PackedBlob[]): PackedBlob[] {
  const rows: PackedBlob[][] = [];
  let open: { row: PackedBlob[]; sizeBytes: number } | undefined;
  for (const blob of blobs) {
    if (blob.sizeBytes > MAX_PACKED_BYTES || !isVerifiable(blob.digest)) {
      rows.push([blob]);
      continue;
    }
    if (!open || open.sizeBytes + blob.sizeBytes > PACK_BYTES) {
      open = { row: [], sizeBytes: 0 };
      rows.push(open.row);
    }
    open.row.push(blob);
    open.sizeBytes += blob.sizeBytes;
  }
  return rows.map((row) => (row.length === 1 ? row[0] : undefined) ?? toPack(row));
}

/** A pack's name is the hash of what it consists of. */
function toPack(blobs: readonly PackedBlob[]): PackedBlob {
  const hash = createHash('sha256');
  const parts: BlobPart[] = [];
  let offsetBytes = 0;
  for (const { digest, sizeBytes } of blobs) {
    hash.update(`${digest} ${sizeBytes}\n`);
    parts.push({ digest, offsetBytes, sizeBytes });
    offsetBytes += sizeBytes;
  }
  const digest = `pack:${hash.digest('hex')}` as Digest;
  return { digest, sizeBytes: offsetBytes, pieceLengthBytes: PACK_BYTES, parts };
}
