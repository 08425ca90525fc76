// The sidecar of a complete blob: cut, aliases, parts, how the file looked when it was committed, and the proof of each piece.
// With it a blob can be served, and be found again where the index is lost. Pure.
//
//   magic · JSON length (u32) · JSON · proofs (112 bytes a piece) · CRC-32 of all before it

import { crc32 } from 'node:zlib';
import { type BlobSpec, type Digest, parseDigest, pieceCount, type StoredPart } from '../core/index.ts';
import type { Fingerprint } from './fingerprint.ts';
import { parseSpec } from './journal-format.ts';
import { PROOF_BYTES, ProofTable } from './proof-table.ts';

export interface Sidecar {
  readonly spec: BlobSpec;
  readonly aliases: readonly Digest[];
  readonly parts: readonly StoredPart[];
  readonly fingerprint: Fingerprint;
  readonly proofs: ProofTable;
}

type Head = { aliases: string[]; fingerprint: Fingerprint };

const MAGIC = Buffer.from('ANAXPCS1');

export function encodeSidecar({ spec, aliases, parts, fingerprint, proofs }: Sidecar): Buffer {
  const { digest, sizeBytes, pieceLengthBytes } = spec;
  const head = { digest, sizeBytes, pieceLengthBytes, aliases, parts, fingerprint };
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  const body = Buffer.concat([MAGIC, length, json, proofs.toBytes()]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(body));
  return Buffer.concat([body, crc]);
}

/** `undefined` where the bytes are no whole sidecar. */
export function decodeSidecar(bytes: Buffer): Sidecar | undefined {
  const jsonAt = MAGIC.length + 4;
  if (bytes.length < jsonAt + 4 || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (crc32(bytes.subarray(0, -4)) !== bytes.readUInt32BE(bytes.length - 4)) return undefined;
  const proofsAt = jsonAt + bytes.readUInt32BE(MAGIC.length);
  const head = decodeHead(bytes.toString('utf8', jsonAt, proofsAt));
  const rows = bytes.subarray(proofsAt, -4);
  if (!head || rows.length !== pieceCount(head.spec) * PROOF_BYTES) return undefined;
  return { ...head, proofs: new ProofTable(pieceCount(head.spec), rows) };
}

function decodeHead(json: string): Omit<Sidecar, 'proofs'> | undefined {
  const spec = parseSpec(json);
  if (!spec) return undefined;
  // The checksum has shown that these are the store's own words.
  const { aliases, parts = [], fingerprint } = JSON.parse(json) as Partial<Sidecar> & Head;
  return { spec, aliases: aliases.map(parseDigest), parts, fingerprint };
}
