// Blobs to put into a store under test: content that follows from a seed, with true digests and made-up signatures.

import { createHash } from 'node:crypto';
import {
  type BlobSpec,
  type Digest,
  digestOf,
  MiB,
  type PeerId,
  type PieceHash,
  type PieceHasher,
  type PieceProof,
  pieceCount,
  pieceSize,
} from '../../core/index.ts';

/** Stands in for BLAKE3: 32 bytes of sha256. The suite's proofs are made with it. */
export const testPieceHash: PieceHash = (bytes) => createHash('sha256').update(bytes).digest();

/** The same, of bytes that come bit by bit. */
export function createTestHasher(): PieceHasher {
  const hash = createHash('sha256');
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
}

export interface TestBlob {
  readonly spec: BlobSpec;
  readonly bytes: Buffer;
  readonly sha256: Digest;
  readonly gitSha1: Digest;
  readonly pieces: number;
  piece(index: number): Buffer;
  /** The proof that a store is given; another `signer` makes another proof of the same piece. */
  proof(index: number, signer?: string): PieceProof;
}

/** `identity` is the algorithm of the digest that the blob is known by. Pieces of 1 MiB. */
export function testBlob(
  seed: number,
  sizeBytes: number,
  identity: 'sha256' | 'git-sha1' = 'sha256',
): TestBlob {
  const bytes = contentOf(seed, sizeBytes);
  const sha256 = digestOf('sha256', bytes);
  const gitSha1 = digestOf('git-sha1', bytes);
  const spec: BlobSpec = {
    digest: identity === 'sha256' ? sha256 : gitSha1,
    sizeBytes,
    pieceLengthBytes: 1 * MiB,
  };
  const piece = (index: number): Buffer => {
    const start = index * spec.pieceLengthBytes;
    return bytes.subarray(start, start + pieceSize(spec, index));
  };
  const proof = (index: number, signer = 'reader'): PieceProof => ({
    digest: new Uint8Array(testPieceHash(piece(index))),
    signer: createHash('md5').update(signer).digest('hex') as PeerId,
    signature: new Uint8Array(createHash('sha512').update(`${signer} ${spec.digest} ${index}`).digest()),
  });
  return { spec, bytes, sha256, gitSha1, pieces: pieceCount(spec), piece, proof };
}

/** A hash chain repeated: cheap, and no two pieces are alike. */
function contentOf(seed: number, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes, createHash('sha512').update(`seed ${seed}`).digest());
  for (let at = 0; at + 8 <= sizeBytes; at += 4096) bytes.writeDoubleLE(seed * 1e9 + at, at);
  return bytes;
}
