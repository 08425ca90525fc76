// Who may be believed about content. The scheduler signs a *reader grant*: this peer may read the origin for this
// snapshot. The reader signs a *piece proof* for each piece as it lands, and a *verdict* for each blob once the whole
// of it has the digest that the hub published (or hasn't). Whoever serves a piece only passes these on: a proof does
// not become more or less true by the hands it goes through.
//
// All signatures are Ed25519 over a domain-separated, length-free concatenation of fixed-size fields.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import type { Digest } from './digest.ts';
import { AnaxError } from './error.ts';
import { PEER_ID_BYTES, type PeerId, type SnapshotId } from './ids.ts';
import type { BlobSpec } from './piece-map.ts';

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const PIECE_DIGEST_BYTES = 32;

/** An Ed25519 key pair that names a peer or a scheduler. */
export interface Identity {
  readonly id: PeerId;
  /** Raw, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export function peerIdOf(publicKey: Uint8Array): PeerId {
  const hash = createHash('sha256').update(publicKey).digest();
  return hash.subarray(0, PEER_ID_BYTES).toString('hex') as PeerId;
}

export function createIdentity(): Identity {
  return toIdentity(generateKeyPairSync('ed25519').privateKey);
}

function toIdentity(privateKey: KeyObject): Identity {
  const der = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const publicKey = new Uint8Array(der.subarray(SPKI_PREFIX.length));
  return { id: peerIdOf(publicKey), publicKey, privateKey };
}

/** PEM text to keep in an owner-only file. */
export function exportIdentity(identity: Identity): string {
  return identity.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export function importIdentity(pem: string): Identity {
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    throw new AnaxError('config_invalid', 'the identity is not an Ed25519 key');
  }
  return toIdentity(privateKey);
}

export function toPublicKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
}

function signed(identity: Identity, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, identity.privateKey));
}

function uint(value: number, bytes: 4 | 6): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

/** The scheduler's word that a peer may read the origin for a snapshot, and so say what its content is. */
export interface ReaderGrant {
  readonly snapshot: SnapshotId;
  /** Rises with each new holder; what an older holder reads after that is not wanted any more. */
  readonly epoch: number;
  readonly readerKey: Uint8Array;
  readonly signature: Uint8Array;
}

function grantMessage(snapshot: SnapshotId, epoch: number, readerKey: Uint8Array): Uint8Array {
  return Buffer.concat([
    Buffer.from('anax grant 1\0'),
    Buffer.from(snapshot, 'hex'),
    uint(epoch, 6),
    readerKey,
  ]);
}

export function signReaderGrant(scheduler: Identity, grant: Omit<ReaderGrant, 'signature'>): ReaderGrant {
  const message = grantMessage(grant.snapshot, grant.epoch, grant.readerKey);
  return { ...grant, signature: signed(scheduler, message) };
}

/** Whether the scheduler with this key signed a grant. */
export function isGrantOf(
  schedulerKey: Uint8Array,
  { snapshot, epoch, readerKey, signature }: ReaderGrant,
): boolean {
  return verify(null, grantMessage(snapshot, epoch, readerKey), toPublicKey(schedulerKey), signature);
}

/** A piece's BLAKE3 digest, as the reader that `signer` names found it at the origin. */
export interface PieceProof {
  readonly digest: Uint8Array;
  readonly signer: PeerId;
  readonly signature: Uint8Array;
}

const NOBODY = '0'.repeat(PEER_ID_BYTES * 2) as PeerId;

/** For a piece that nobody who is believed has vouched for: it is given on once the whole blob was checked. */
export function unsignedProof(digest: Uint8Array): PieceProof {
  return { digest, signer: NOBODY, signature: new Uint8Array(SIGNATURE_BYTES) };
}

export function isUnsigned({ signer }: PieceProof): boolean {
  return signer === NOBODY;
}

/** What a blob's signatures are over: identity and cut, so that a proof never fits another cut. */
function blobMessage(blob: BlobSpec): Buffer {
  // Once a piece: the one-shot call costs half of what a hash object does.
  const name = hash('sha256', blob.digest, 'buffer');
  return Buffer.concat([name, uint(blob.sizeBytes, 6), uint(blob.pieceLengthBytes, 4)]);
}

function pieceMessage(blob: BlobSpec, index: number, digest: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from('anax piece 1\0'), blobMessage(blob), uint(index, 4), digest]);
}

/** Whether the holder of this key signed the proof, for this piece of this cut. */
export function isProofOf(key: KeyObject, blob: BlobSpec, index: number, proof: PieceProof): boolean {
  return verify(null, pieceMessage(blob, index, proof.digest), key, proof.signature);
}

export function signPiece(reader: Identity, blob: BlobSpec, index: number, digest: Uint8Array): PieceProof {
  return { digest, signer: reader.id, signature: signed(reader, pieceMessage(blob, index, digest)) };
}

/** Whether a whole blob is what the origin published. */
export interface Verdict {
  readonly blob: Digest;
  readonly good: boolean;
  /** BLAKE3 over all piece digests in order: ties the verdict to these pieces. Zeros where `good` is false. */
  readonly root: Uint8Array;
  /** sha256 of the content as the reader computed it: an alias, and in a bad verdict the digest that was found. */
  readonly sha256: Uint8Array;
  readonly signer: PeerId;
  readonly signature: Uint8Array;
}

function verdictMessage(blob: BlobSpec, verdict: Pick<Verdict, 'good' | 'root' | 'sha256'>): Uint8Array {
  const flag = Buffer.from([verdict.good ? 1 : 0]);
  return Buffer.concat([
    Buffer.from('anax verdict 1\0'),
    blobMessage(blob),
    flag,
    verdict.root,
    verdict.sha256,
  ]);
}

export function signVerdict(
  reader: Identity,
  blob: BlobSpec,
  finding: Pick<Verdict, 'good' | 'root' | 'sha256'>,
): Verdict {
  const signature = signed(reader, verdictMessage(blob, finding));
  return { ...finding, blob: blob.digest, signer: reader.id, signature };
}

/** Whether the holder of this key signed the verdict on this blob. */
export function isVerdictOf(key: KeyObject, blob: BlobSpec, verdict: Verdict): boolean {
  return verify(null, verdictMessage(blob, verdict), key, verdict.signature);
}

/** Which side of a link: the one that connected, or the one that accepted. */
export type LinkRole = 'dialer' | 'acceptor';

function linkMessage(role: LinkRole, publicKey: Uint8Array, binding: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`anax link 1\0${role}\0`), publicKey, binding]);
}

/**
 * Proves to the other end of a connection that the holder of this key is at this end. `binding` is what only the two
 * ends know; the role keeps a proof from being sent back to who made it.
 */
export function signLink(identity: Identity, role: LinkRole, binding: Uint8Array): Uint8Array {
  return signed(identity, linkMessage(role, identity.publicKey, binding));
}

export function isLinkSignature(
  publicKey: Uint8Array,
  role: LinkRole,
  binding: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verify(null, linkMessage(role, publicKey, binding), toPublicKey(publicKey), signature);
}
