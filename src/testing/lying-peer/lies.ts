// The ways in which a peer may lie about content.

import { type Identity, type OpenBlob, type PieceHash, pieceSize, signPiece } from '../../core/index.ts';
import { type Lie, readPiece } from './lying-store.ts';

/** One wrong byte in a piece, under its true proof. */
export function wrongByte(): Lie {
  return {
    bytes: (_blob, _index, target) => {
      target[0] = (target[0] ?? 0) ^ 1;
    },
  };
}

/** Zeros, with a proof that fits them, signed by the liar itself. */
export function forgedProof(liar: Identity, hash: PieceHash): Lie {
  return {
    bytes: (_blob, _index, target) => void target.fill(0),
    proof: ({ spec }, index) => signPiece(liar, spec, index, hash(new Uint8Array(pieceSize(spec, index)))),
  };
}

/** Another piece of the blob with its proof: both true, but not what was asked for. */
export function otherPiece(): Lie {
  return {
    bytes: (blob, index, target) => readPiece(blob, otherThan(blob, index), target),
    proof: (blob, index) => blob.proof(otherThan(blob, index)),
  };
}

/** A piece that is as long; the piece itself where there is none. */
function otherThan({ spec, held }: OpenBlob, index: number): number {
  const other = index === 0 ? 1 : index - 1;
  return other < held.length && pieceSize(spec, other) >= pieceSize(spec, index) ? other : index;
}
