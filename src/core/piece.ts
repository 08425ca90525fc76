// Piece geometry: how a blob of a size is cut. All pieces of a blob have the same length but the last, which may be
// shorter; an empty blob has none.

import { assert } from './assert.ts';
import { MiB } from './bytes.ts';

export const MIN_PIECE_LENGTH_BYTES = 1 * MiB;
export const MAX_PIECE_LENGTH_BYTES = 16 * MiB;

/**
 * Pieces to aim at. Delivery costs F/B·(1 + ⌊log2 N⌋/M) with M pieces, so 512 keep the overhead for a thousand peers
 * under 2 %; more would only cost messages and hashes.
 */
const TARGET_PIECES = 512;

/** The largest size that is accepted from outside: 8 TiB. */
export const MAX_BLOB_BYTES = 8 * 1024 * 1024 * MiB;

/** A power of two from 1 MiB to 16 MiB: the smallest that cuts the blob into at most 512 pieces, where one does. */
export function pieceLengthFor(sizeBytes: number): number {
  let length = MIN_PIECE_LENGTH_BYTES;
  while (length < MAX_PIECE_LENGTH_BYTES && sizeBytes / length > TARGET_PIECES) length *= 2;
  return length;
}

export function isPieceLength(length: number): boolean {
  return (
    length >= MIN_PIECE_LENGTH_BYTES && length <= MAX_PIECE_LENGTH_BYTES && (length & (length - 1)) === 0
  );
}

/** A blob's identity and cut. */
export interface Geometry {
  readonly sizeBytes: number;
  readonly pieceLengthBytes: number;
}

export function pieceCount({ sizeBytes, pieceLengthBytes }: Geometry): number {
  return Math.ceil(sizeBytes / pieceLengthBytes);
}

/** Length of piece `index`, in bytes. */
export function pieceSize(geometry: Geometry, index: number): number {
  assert(index >= 0 && index < pieceCount(geometry), 'a piece of the blob');
  return Math.min(geometry.pieceLengthBytes, geometry.sizeBytes - index * geometry.pieceLengthBytes);
}
