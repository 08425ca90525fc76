// Piece proofs, reader grants and verdicts as fields of frames. Only their form is checked here; whether they are
// true is the swarm's to find out (`TrustedReaders`).

import {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  digestFromHex,
  digestHex,
  PEER_ID_BYTES,
  type PeerId,
  PIECE_DIGEST_BYTES,
  type PieceProof,
  PUBLIC_KEY_BYTES,
  type ReaderGrant,
  SIGNATURE_BYTES,
  SNAPSHOT_ID_BYTES,
  type SnapshotId,
  type Verdict,
} from '../core/index.ts';
import { violation } from './messages.ts';
import type { WireReader, WireWriter } from './wire.ts';

const SHA256_BYTES = 32;

/** In wire order. */
const algorithms: readonly { readonly name: DigestAlgorithm; readonly bytes: number }[] = [
  { name: 'sha256', bytes: 32 },
  { name: 'git-sha1', bytes: 20 },
  { name: 'origin', bytes: 32 },
];

export function readPeerId(reader: WireReader): PeerId {
  return reader.text('hex', PEER_ID_BYTES) as PeerId;
}

export function readSnapshotId(reader: WireReader): SnapshotId {
  return reader.text('hex', SNAPSHOT_ID_BYTES) as SnapshotId;
}

function writeDigest(writer: WireWriter, digest: Digest): void {
  const number = algorithms.findIndex(({ name }) => name === digestAlgorithm(digest));
  writer.uint(number, 1).bytes(Buffer.from(digestHex(digest), 'hex'));
}

function readDigest(reader: WireReader): Digest {
  const algorithm = algorithms[reader.uint(1)];
  if (!algorithm) throw violation('a digest of an unknown algorithm');
  return digestFromHex(algorithm.name, reader.text('hex', algorithm.bytes));
}

export function writeProof(writer: WireWriter, proof: PieceProof): void {
  writer
    .fixed(proof.digest, PIECE_DIGEST_BYTES)
    .hex(proof.signer, PEER_ID_BYTES)
    .fixed(proof.signature, SIGNATURE_BYTES);
}

export function readProof(reader: WireReader): PieceProof {
  const digest = reader.bytes(PIECE_DIGEST_BYTES);
  return { digest, signer: readPeerId(reader), signature: reader.bytes(SIGNATURE_BYTES) };
}

export function writeGrant(writer: WireWriter, grant: ReaderGrant): void {
  writer
    .hex(grant.snapshot, SNAPSHOT_ID_BYTES)
    .uint(grant.epoch, 6)
    .fixed(grant.readerKey, PUBLIC_KEY_BYTES)
    .fixed(grant.signature, SIGNATURE_BYTES);
}

export function readGrant(reader: WireReader): ReaderGrant {
  const snapshot = readSnapshotId(reader);
  const epoch = reader.uint(6);
  return {
    snapshot,
    epoch,
    readerKey: reader.bytes(PUBLIC_KEY_BYTES),
    signature: reader.bytes(SIGNATURE_BYTES),
  };
}

export function writeVerdict(writer: WireWriter, verdict: Verdict): void {
  writeDigest(writer, verdict.blob);
  writer
    .uint(verdict.good ? 1 : 0, 1)
    .fixed(verdict.root, PIECE_DIGEST_BYTES)
    .fixed(verdict.sha256, SHA256_BYTES)
    .hex(verdict.signer, PEER_ID_BYTES)
    .fixed(verdict.signature, SIGNATURE_BYTES);
}

export function readVerdict(reader: WireReader): Verdict {
  const blob = readDigest(reader);
  const flag = reader.uint(1);
  if (flag > 1) throw violation('a verdict that is neither good nor bad');
  const root = reader.bytes(PIECE_DIGEST_BYTES);
  const sha256 = reader.bytes(SHA256_BYTES);
  const signer = readPeerId(reader);
  return { blob, good: flag === 1, root, sha256, signer, signature: reader.bytes(SIGNATURE_BYTES) };
}
