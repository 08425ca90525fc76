// The bytes of a journal: what is known of a partial blob's pieces, appended as it becomes known. Pure.
//
// A header (magic, length, JSON of the spec, CRC-32), then records of 128 bytes:
//
//   0 kind · 1–3 zero · 4 value (u32) · 8 proof (112 bytes) · 120 sequence (u32) · 124 CRC-32
//
//   piece  piece `value` is in the file and has this proof (again, for a new proof of a held piece)
//   drop   piece `value` is not held any more
//   sync   the data of all pieces in records before sequence `value` is on the disk, not only in the page cache
//
// Each record's CRC starts from the header's CRC and covers its sequence, so neither a record of another journal nor
// one out of its place is taken. Replay ends at the first record that is not whole: what follows a torn write was
// never promised to anybody.

import { crc32 } from 'node:zlib';
import {
  Bitfield,
  type BlobSpec,
  isPieceLength,
  type PieceProof,
  parseDigest,
  pieceCount,
} from '../core/index.ts';
import { decodeProof, encodeProof, PROOF_BYTES, ProofTable } from './proof-table.ts';

export type JournalRecord =
  | { readonly kind: 'piece'; readonly index: number; readonly proof: PieceProof }
  | { readonly kind: 'drop'; readonly index: number }
  | { readonly kind: 'sync'; readonly covered: number };

export const RECORD_BYTES = 128;

const MAGIC = Buffer.from('ANAXJNL1');
const MAX_HEADER_BYTES = 4096;
const KINDS = ['piece', 'drop', 'sync'] as const;
const PROOF_AT = 8;
const SEQUENCE_AT = PROOF_AT + PROOF_BYTES;
const CRC_AT = SEQUENCE_AT + 4;

/** A header; its last four bytes are the seed of the records' CRCs. */
export function encodeHeader(spec: BlobSpec): Buffer {
  const { digest, sizeBytes, pieceLengthBytes } = spec;
  const json = Buffer.from(JSON.stringify({ digest, sizeBytes, pieceLengthBytes }));
  const header = Buffer.alloc(MAGIC.length + 4 + json.length + 4);
  MAGIC.copy(header);
  header.writeUInt32BE(json.length, MAGIC.length);
  json.copy(header, MAGIC.length + 4);
  header.writeUInt32BE(crc32(header.subarray(0, -4)), header.length - 4);
  return header;
}

export function headerSeed(header: Buffer): number {
  return header.readUInt32BE(header.length - 4);
}

/** Records as one run of bytes; the first gets number `sequence`. */
export function encodeRecords(records: readonly JournalRecord[], sequence: number, seed: number): Buffer {
  const bytes = Buffer.alloc(records.length * RECORD_BYTES);
  for (const [at, record] of records.entries()) {
    encodeRecord(bytes.subarray(at * RECORD_BYTES, (at + 1) * RECORD_BYTES), record, sequence + at, seed);
  }
  return bytes;
}

function encodeRecord(target: Buffer, record: JournalRecord, sequence: number, seed: number): void {
  target[0] = KINDS.indexOf(record.kind) + 1;
  target.writeUInt32BE(record.kind === 'sync' ? record.covered : record.index, 4);
  if (record.kind === 'piece') encodeProof(record.proof, target, PROOF_AT);
  target.writeUInt32BE(sequence, SEQUENCE_AT);
  target.writeUInt32BE(crc32(target.subarray(0, CRC_AT), seed), CRC_AT);
}

export interface JournalContent {
  readonly spec: BlobSpec;
  readonly headerBytes: number;
  readonly seed: number;
  readonly records: readonly JournalRecord[];
  /** Bytes up to the end of the last whole record; the rest is to be cut off. */
  readonly validBytes: number;
}

/** Reads a journal; `undefined` where its header is not whole. */
export function decodeJournal(bytes: Buffer): JournalContent | undefined {
  const header = decodeHeader(bytes);
  if (!header) return undefined;
  const records: JournalRecord[] = [];
  let at = header.headerBytes;
  for (; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const record = decodeRecord(bytes.subarray(at, at + RECORD_BYTES), records.length, header);
    if (!record) break;
    records.push(record);
  }
  return { ...header, records, validBytes: at };
}

type Header = Pick<JournalContent, 'spec' | 'headerBytes' | 'seed'>;

function decodeHeader(bytes: Buffer): Header | undefined {
  const jsonAt = MAGIC.length + 4;
  if (bytes.length < jsonAt || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const jsonBytes = bytes.readUInt32BE(MAGIC.length);
  const headerBytes = jsonAt + jsonBytes + 4;
  if (jsonBytes > MAX_HEADER_BYTES || bytes.length < headerBytes) return undefined;
  const header = bytes.subarray(0, headerBytes);
  if (crc32(header.subarray(0, -4)) !== headerSeed(header)) return undefined;
  const spec = parseSpec(header.toString('utf8', jsonAt, jsonAt + jsonBytes));
  return spec && { spec, headerBytes, seed: headerSeed(header) };
}

/** A spec as the store wrote it into a journal or a sidecar; `undefined` for anything else. */
export function parseSpec(json: string): BlobSpec | undefined {
  try {
    const { digest, sizeBytes, pieceLengthBytes } = JSON.parse(json) as Partial<BlobSpec>;
    if (typeof digest !== 'string' || typeof pieceLengthBytes !== 'number') return undefined;
    if (!Number.isSafeInteger(sizeBytes) || !isPieceLength(pieceLengthBytes)) return undefined;
    return { digest: parseDigest(digest), sizeBytes: sizeBytes as number, pieceLengthBytes };
  } catch {
    return undefined;
  }
}

function decodeRecord(bytes: Buffer, sequence: number, header: Header): JournalRecord | undefined {
  if (bytes.readUInt32BE(CRC_AT) !== crc32(bytes.subarray(0, CRC_AT), header.seed)) return undefined;
  if (bytes.readUInt32BE(SEQUENCE_AT) !== sequence) return undefined;
  const kind = KINDS[(bytes[0] ?? 0) - 1];
  const value = bytes.readUInt32BE(4);
  if (kind === 'sync') return value <= sequence ? { kind, covered: value } : undefined;
  if (kind === undefined || value >= pieceCount(header.spec)) return undefined;
  return kind === 'drop'
    ? { kind, index: value }
    : { kind, index: value, proof: decodeProof(bytes, PROOF_AT) };
}

/** What a journal's records come to. */
export interface JournalState {
  readonly held: Bitfield;
  readonly proofs: ProofTable;
  /** Held pieces that no sync record covers: after a power loss their data may not be there. Ascending. */
  readonly unsynced: readonly number[];
}

export function replay(spec: BlobSpec, records: readonly JournalRecord[]): JournalState {
  const count = pieceCount(spec);
  const held = new Bitfield(count);
  const proofs = new ProofTable(count);
  const writtenAt = new Map<number, number>();
  let covered = 0;
  for (const [sequence, record] of records.entries()) {
    if (record.kind === 'sync') {
      covered = Math.max(covered, record.covered);
    } else if (record.kind === 'drop') {
      held.delete(record.index);
      writtenAt.delete(record.index);
    } else {
      held.add(record.index);
      writtenAt.set(record.index, sequence);
      proofs.set(record.index, record.proof);
    }
  }
  const unsynced = [...writtenAt].filter(([, sequence]) => sequence >= covered).map(([index]) => index);
  return { held, proofs, unsynced: unsynced.toSorted((a, b) => a - b) };
}
