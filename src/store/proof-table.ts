// The proofs of a blob's pieces in one flat buffer, 112 bytes each: digest 32, signer 16, signature 64. The same bytes
// are a sidecar's rows and a journal record's payload.

import {
  assert,
  PEER_ID_BYTES,
  type PeerId,
  PIECE_DIGEST_BYTES,
  type PieceProof,
  SIGNATURE_BYTES,
} from '../core/index.ts';

export const PROOF_BYTES = PIECE_DIGEST_BYTES + PEER_ID_BYTES + SIGNATURE_BYTES;

const SIGNER_AT = PIECE_DIGEST_BYTES;
const SIGNATURE_AT = PIECE_DIGEST_BYTES + PEER_ID_BYTES;

export function assertProof(proof: PieceProof): void {
  assert(proof.digest.length === PIECE_DIGEST_BYTES, 'a piece digest has 32 bytes');
  assert(proof.signature.length === SIGNATURE_BYTES, 'a signature has 64 bytes');
  assert(proof.signer.length === PEER_ID_BYTES * 2, 'a signer has 32 hex digits');
}

export function encodeProof(proof: PieceProof, target: Buffer, at: number): void {
  target.set(proof.digest, at);
  target.write(proof.signer, at + SIGNER_AT, 'hex');
  target.set(proof.signature, at + SIGNATURE_AT);
}

export function decodeProof(source: Buffer, at: number): PieceProof {
  return {
    digest: new Uint8Array(source.subarray(at, at + SIGNER_AT)),
    signer: source.toString('hex', at + SIGNER_AT, at + SIGNATURE_AT) as PeerId,
    signature: new Uint8Array(source.subarray(at + SIGNATURE_AT, at + PROOF_BYTES)),
  };
}

/** A proof for each piece of a blob. Which of them mean something is for the held pieces to say. */
export class ProofTable {
  readonly #rows: Buffer;

  constructor(pieces: number, rows: Buffer = Buffer.alloc(pieces * PROOF_BYTES)) {
    assert(rows.length === pieces * PROOF_BYTES, 'a proof table has a row for each piece');
    this.#rows = rows;
  }

  get(index: number): PieceProof {
    return decodeProof(this.#rows, index * PROOF_BYTES);
  }

  set(index: number, proof: PieceProof): void {
    encodeProof(proof, this.#rows, index * PROOF_BYTES);
  }

  digest(index: number): Buffer {
    return this.#rows.subarray(index * PROOF_BYTES, index * PROOF_BYTES + PIECE_DIGEST_BYTES);
  }

  /** The rows themselves, not a copy. */
  toBytes(): Buffer {
    return this.#rows;
  }
}
