// Checks piece proofs where the pieces arrive, which may be another thread than the one that knows whom to believe.

import type { KeyObject } from 'node:crypto';
import { isProofOf, type PieceProof, toPublicKey } from './attestation.ts';
import type { PeerId } from './ids.ts';
import type { BlobSpec } from './piece-map.ts';

/** Readers that terms name, the newest: most swarms have one or two, and the terms go along with each request. */
export const MAX_TERMS_READERS = 4;

/** A reader that a swarm believes. The id is the key's. */
export interface ReaderKey {
  readonly id: PeerId;
  /** Raw, in hex. */
  readonly publicKey: string;
}

/** What a piece's proof has to be: of this piece, by one of these readers. Plain data. */
export interface ProofTerms {
  readonly blob: BlobSpec;
  readonly index: number;
  readonly readers: readonly ReaderKey[];
}

/** `unknown-reader`: the terms don't name who it says has signed it. `forged`: that one has not. */
export type ProofFinding = 'good' | 'unknown-reader' | 'forged';

/** Keys kept ready for use. */
const MAX_KEYS = 64;

export class ProofChecker {
  readonly #keys = new Map<string, KeyObject>();

  check({ blob, index, readers }: ProofTerms, proof: PieceProof): ProofFinding {
    const reader = readers.find(({ id }) => id === proof.signer);
    if (!reader) return 'unknown-reader';
    return isProofOf(this.#keyOf(reader), blob, index, proof) ? 'good' : 'forged';
  }

  #keyOf({ publicKey }: ReaderKey): KeyObject {
    const known = this.#keys.get(publicKey);
    if (known) return known;
    if (this.#keys.size >= MAX_KEYS) this.#keys.clear();
    const key = toPublicKey(Buffer.from(publicKey, 'hex'));
    this.#keys.set(publicKey, key);
    return key;
  }
}
