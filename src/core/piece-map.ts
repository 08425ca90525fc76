// The piece space of a snapshot: all pieces of all its distinct blobs, numbered in one row. Swarms speak of piece
// numbers only; this maps them to a blob and a place in it. Empty blobs have no pieces and are not in it.

import { assert } from './assert.ts';
import type { Digest } from './digest.ts';
import type { Manifest } from './manifest.ts';
import { type Geometry, pieceCount, pieceSize } from './piece.ts';
import type { Range } from './ranges.ts';

/** A blob as it is cut in one snapshot. */
export interface BlobSpec extends Geometry {
  readonly digest: Digest;
}

export interface MappedBlob extends BlobSpec {
  /** The blob's pieces are the snapshot's pieces of this range. */
  readonly pieces: Range;
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
  readonly #byDigest: ReadonlyMap<Digest, MappedBlob>;

  constructor(manifest: Manifest) {
    const byDigest = new Map<Digest, MappedBlob>();
    let next = 0;
    for (const { digest, sizeBytes, pieceLengthBytes } of manifest.files) {
      if (sizeBytes === 0 || byDigest.has(digest)) continue;
      const end = next + pieceCount({ sizeBytes, pieceLengthBytes });
      byDigest.set(digest, { digest, sizeBytes, pieceLengthBytes, pieces: { start: next, end } });
      next = end;
    }
    this.#byDigest = byDigest;
    this.blobs = [...byDigest.values()];
    this.pieceCount = next;
  }

  blob(digest: Digest): MappedBlob | undefined {
    return this.#byDigest.get(digest);
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
