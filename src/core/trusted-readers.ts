// Which readers one swarm believes. Who signs what is attestation's.

import type { KeyObject } from 'node:crypto';
import {
  isGrantOf,
  isProofOf,
  isVerdictOf,
  type PieceProof,
  PUBLIC_KEY_BYTES,
  peerIdOf,
  type ReaderGrant,
  toPublicKey,
  type Verdict,
} from './attestation.ts';
import type { PeerId, SnapshotId } from './ids.ts';
import type { BlobSpec } from './piece-map.ts';
import { MAX_TERMS_READERS, type ProofFinding, type ProofTerms, type ReaderKey } from './proof-checker.ts';

/** Grants kept whose scheduler is not known (yet), in one swarm. */
const MAX_PENDING_GRANTS = 64;

/**
 * The readers that one snapshot's swarm believes: those with a grant of a trusted scheduler. Grants arrive from
 * anybody; only properly signed ones are taken. A neighbour may send one before this host knows the scheduler that
 * signed it: such are kept, and tried again when a scheduler becomes known.
 */
export class TrustedReaders {
  readonly #snapshot: SnapshotId;
  readonly #schedulers: Uint8Array[] = [];
  readonly #readers = new Map<PeerId, { grant: ReaderGrant; key: KeyObject }>();
  #pending: ReaderGrant[] = [];
  #newest: readonly ReaderKey[] = [];

  constructor(snapshot: SnapshotId) {
    this.#snapshot = snapshot;
  }

  /**
   * Grants that this scheduler signed are taken from now on, beside those of earlier ones. Returns the grants that were
   * waiting for it.
   */
  trustScheduler(publicKey: Uint8Array): ReaderGrant[] {
    if (this.#schedulers.some((known) => Buffer.compare(known, publicKey) === 0)) return [];
    this.#schedulers.push(publicKey);
    const waiting = this.#pending;
    this.#pending = [];
    return waiting.filter((grant) => this.add(grant));
  }

  /** Takes a grant; whether it was valid and new. */
  add(grant: ReaderGrant): boolean {
    if (grant.snapshot !== this.#snapshot || grant.readerKey.length !== PUBLIC_KEY_BYTES) return false;
    const id = peerIdOf(grant.readerKey);
    const known = this.#readers.get(id);
    if (known && known.grant.epoch >= grant.epoch) return false;
    if (!this.#schedulers.some((key) => isGrantOf(key, grant))) {
      this.#pending = [...this.#pending, grant].slice(-MAX_PENDING_GRANTS);
      return false;
    }
    this.#readers.set(id, { grant, key: toPublicKey(grant.readerKey) });
    this.#newest = newestKeys(this.#readers);
    return true;
  }

  grants(): ReaderGrant[] {
    return [...this.#readers.values()].map(({ grant }) => grant);
  }

  readers(): PeerId[] {
    return [...this.#readers.keys()];
  }

  /** Whether a peer has a grant here. */
  isReader(peer: PeerId): boolean {
    return this.#readers.has(peer);
  }

  /** What a proof of the blob's piece has to be to be believed, as far as is known now. */
  termsFor({ digest, sizeBytes, pieceLengthBytes }: BlobSpec, index: number): ProofTerms {
    return { blob: { digest, sizeBytes, pieceLengthBytes }, index, readers: this.#newest };
  }

  /** Whether a trusted reader says that the blob's piece has this digest. */
  judge(blob: BlobSpec, index: number, proof: PieceProof): ProofFinding {
    const reader = this.#readers.get(proof.signer);
    if (!reader) return 'unknown-reader';
    return isProofOf(reader.key, blob, index, proof) ? 'good' : 'forged';
  }

  vouchesForVerdict(blob: BlobSpec, verdict: Verdict): boolean {
    const reader = this.#readers.get(verdict.signer);
    return reader !== undefined && verdict.blob === blob.digest && isVerdictOf(reader.key, blob, verdict);
  }
}

function newestKeys(readers: ReadonlyMap<PeerId, { readonly grant: ReaderGrant }>): ReaderKey[] {
  return [...readers]
    .toSorted(([, a], [, b]) => b.grant.epoch - a.grant.epoch)
    .slice(0, MAX_TERMS_READERS)
    .map(([id, { grant }]) => ({ id, publicKey: Buffer.from(grant.readerKey).toString('hex') }));
}
