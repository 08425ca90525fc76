// Whether what the disk gives for a held piece is what was once verified.

import { hasCode, type OpenBlob, type PieceHash, pieceSize } from '../core/index.ts';

/** `changed`: the file is not the one that was stored, so that nothing is said about the piece. */
export type PieceFinding = 'good' | 'bad' | 'changed';

/** Reads one piece again and compares it with its proof. `buffer`, where given, is as long as the blob's longest piece. */
export async function checkPiece(
  open: OpenBlob,
  index: number,
  hash: PieceHash,
  buffer?: Buffer,
): Promise<PieceFinding> {
  const proof = open.proof(index);
  if (!proof) return 'bad';
  const size = pieceSize(open.spec, index);
  const bytes = buffer?.subarray(0, size) ?? Buffer.allocUnsafe(size);
  try {
    await open.read(index, 0, bytes);
  } catch (error) {
    return hasCode(error, 'piece_corrupt') ? 'changed' : 'bad';
  }
  return Buffer.compare(hash(bytes), proof.digest) === 0 ? 'good' : 'bad';
}
