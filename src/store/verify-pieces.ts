// Hashes pieces on disk again and compares them with their proofs: after an unclean stop, or when a committed file
// was changed. One piece in memory at a time; the hash takes some 4 ms for a piece of 16 MiB, on the calling thread.

import { type BlobSpec, type PieceHash, pieceSize } from '../core/index.ts';
import type { ProofTable } from './proof-table.ts';
import { readFully, type StoreFile } from './store-fs.ts';

export interface PiecesOnDisk {
  readonly spec: BlobSpec;
  readonly file: StoreFile;
  readonly proofs: ProofTable;
}

/** Those of `indexes` whose bytes do not have the digest of their proof. */
export async function verifyPieces(
  hash: PieceHash,
  { spec, file, proofs }: PiecesOnDisk,
  indexes: Iterable<number>,
): Promise<number[]> {
  const wrong: number[] = [];
  let buffer: Buffer | undefined;
  for (const index of indexes) {
    buffer ??= Buffer.allocUnsafe(Math.min(spec.pieceLengthBytes, spec.sizeBytes));
    const bytes = buffer.subarray(0, pieceSize(spec, index));
    const whole = await readFully(file, bytes, index * spec.pieceLengthBytes);
    if (!whole || !proofs.digest(index).equals(hash(bytes))) wrong.push(index);
  }
  return wrong;
}
