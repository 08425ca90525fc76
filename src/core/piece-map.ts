// The piece space of a snapshot: all pieces of all its distinct blobs, numbered in one row, its small files packed.
// Swarms speak of piece numbers only; this maps them to a blob and a place in it. Empty files have no pieces and are
// not in it.

import { assert } from './assert.ts';
import type { Digest } from './digest.ts';
import type { Manifest } from './manifest.ts';
import { type BlobPart, type PackedBlob, packSmallBlobs } from './pack.ts';
import { type Geometry, pieceCount, pieceSize } from './piece.ts';
import type { Range } from './ranges.ts';

/** A blob as it is cut in one snapshot. */
export interface BlobSpec extends Geometry {
  readonly digest: Digest;
}

export interface MappedBlob extends BlobSpec {
  /** The blob's pieces are the snapshot's pieces of this range. */
  readonly pieces: Range;
  /** The files of a pack. */
  readonly parts?: readonly BlobPart[];
}

/** Where a snapshot's piece is. */
export interface PieceAddress {
  readonly blob: MappedBlob;
  /** The piece's number in the blob. */
  readonly index: number;
  readonly sizeBytes: number;
}

/** Pieces in one snapshot, at most: 16 TiB at 16 MiB. Bounds bitfields to 128 KiB. */
export const MAX_PIECES = 1024 * 1024;

export class PieceMap {
  readonly blobs: readonly MappedBlob[];
  readonly pieceCount: number;
  /** By the digest of the blob, or of a file in it. */
  readonly #byContent = new Map<Digest, MappedBlob>();

  constructor(manifest: Manifest) {
    let next = 0;
    this.blobs = packSmallBlobs(distinctBlobs(manifest)).map((blob) => {
      const pieces = { start: next, end: next + pieceCount(blob) };
      next = pieces.end;
      return { ...blob, pieces };
    });
    this.pieceCount = next;
    for (const blob of this.blobs) {
      for (const { digest } of blob.parts ?? [blob]) this.#byContent.set(digest, blob);
    }
  }

  /** The blob that a file is, or the pack that it is in. */
  blobWith(content: Digest): MappedBlob | undefined {
    return this.#byContent.get(content);
  }

  locate(piece: number): PieceAddress {
    const blob = this.#blobOf(piece);
    const index = piece - blob.pieces.start;
    return { blob, index, sizeBytes: pieceSize(blob, index) };
  }

  /** Length of a piece, in bytes. */
  sizeOf(piece: number): number {
    const blob = this.#blobOf(piece);
    return pieceSize(blob, piece - blob.pieces.start);
  }

  /** Finds a piece's blob by binary search. */
  #blobOf(piece: number): MappedBlob {
    assert(piece >= 0 && piece < this.pieceCount, 'a piece of this snapshot');
    let low = 0;
    let high = this.blobs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.blobs[middle]?.pieces.start ?? 0) <= piece) low = middle;
      else high = middle - 1;
    }
    const blob = this.blobs[low];
    assert(blob, 'a map with pieces has blobs');
    return blob;
  }
}

function distinctBlobs({ files }: Manifest): PackedBlob[] {
  const byDigest = new Map<Digest, PackedBlob>();
  for (const { digest, sizeBytes, pieceLengthBytes } of files) {
    if (sizeBytes > 0 && !byDigest.has(digest)) byDigest.set(digest, { digest, sizeBytes, pieceLengthBytes });
  }
  return [...byDigest.values()];
}
