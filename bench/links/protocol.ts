// What the two processes of `bench:links` say to each other, and what both know.

import { MiB, type PieceProof, type SnapshotId } from '../../src/core/index.ts';
import type { TlsFiles } from '../../src/transport/index.ts';

export const SNAPSHOT = 'ef'.repeat(32) as SnapshotId;
export const PIECES = 1024;
/** From this one on pieces are so large that no kernel takes one for a child that does not. */
export const FIRST_LARGE_PIECE = 1000;
export const LARGE_PIECE_BYTES = 16 * MiB;

export const proof: PieceProof = {
  digest: new Uint8Array(32),
  signer: '00'.repeat(16) as PieceProof['signer'],
  signature: new Uint8Array(64),
};

/** To the children: all of them dial this port. */
export interface ChildrenOrder {
  readonly port: number;
  readonly count: number;
  /** So many of them ask for pieces and take next to nothing. */
  readonly stalled: number;
  /** That each of the others takes; 0: they only stay there. */
  readonly pieces: number;
  readonly sizeBytes: number;
  readonly tls: TlsFiles | undefined;
}

/** From the children: they are linked, and they have everything. */
export type ChildrenReport =
  | { readonly kind: 'linked' }
  | {
      readonly kind: 'done';
      readonly seconds: number;
      /** From the question to the whole piece. */
      readonly pieceMs: readonly number[];
    };
