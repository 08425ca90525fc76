// The ways in which a peer may lie about content.

import { type Identity, type OpenBlob, type PieceHash, pieceSize, signPiece } from '../../core/index.ts';
import type { Lie } from './lying-store.ts';

function flip(target: Uint8Array): void {
  target[0] = (target[0] ?? 0) ^ 1;
}

/** One wrong byte under the true proof. */
export function wrongBytes(): Lie {
  return {
    bytes: async (_blob, _index, _offset, target) => flip(target),
  };
}

/** Wrong bytes with a proof that fits them, signed by the liar. Its content is read anew for each proof. */
export function forgedProofs(liar: Identity, hash: PieceHash, content: (blob: OpenBlob) => Uint8Array): Lie {
  return {
    bytes: async (_blob, _index, offset, target) => {
      if (offset === 0) flip(target);
    },
    proof: ({ spec, ...blob }, index) => {
      const start = index * spec.pieceLengthBytes;
      const piece = Uint8Array.from(
        content({ spec, ...blob }).subarray(start, start + pieceSize(spec, index)),
      );
      flip(piece);
      return signPiece(liar, spec, index, hash(piece));
    },
  };
}

/** Bytes and proof of the piece before: both true, but not what was asked for. */
export function otherPiece(): Lie {
  const other = ({ held }: OpenBlob, index: number): number => (index > 0 || held.length < 3 ? index - 1 : 1);
  return {
    bytes: async (blob, index, offset, target) => {
      if (other(blob, index) >= 0) await blob.read(other(blob, index), offset, target);
    },
    proof: (blob, index) => blob.proof(Math.max(0, other(blob, index))),
  };
}
