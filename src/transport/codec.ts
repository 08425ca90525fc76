// Messages to frames and back: pure, total over any bytes (a message or a `peer_protocol` error, never more memory
// than the frame), and exact: decode(encode(m)) equals m. Lengths of whole payloads are checked against
// `frameTypes` by the parser before a payload gets here, and again here for callers without one.

import {
  assert,
  MAX_PIECE_LENGTH_BYTES,
  MAX_PIECES,
  PUBLIC_KEY_BYTES,
  SIGNATURE_BYTES,
  unreachable,
} from '../core/index.ts';
import {
  readGrant,
  readPeerId,
  readProof,
  readSnapshotId,
  readVerdict,
  writeGrant,
  writeProof,
  writeVerdict,
} from './attestation-codec.ts';
import { CHUNK_HEAD_BYTES, CHUNK_TYPE, FRAME_HEAD_BYTES, frameKindOf, frameTypes } from './frame-types.ts';
import { MAX_GRANTS, MAX_METHOD_CHARACTERS, MAX_VERDICTS } from './limits.ts';
import {
  type CallMessage,
  goodbyeCodes,
  type HelloMessage,
  refusalCodes,
  rejectCodes,
  violation,
  type WireMessage,
} from './messages.ts';
import { WireReader, WireWriter } from './wire.ts';

const MAGIC = Buffer.from('ANAX');
const METHOD = /^[\x21-\x7e]+$/u;
const OK_FLAG = 1;
const LAST_FLAG = 2;

/** The frame of a message, head included. A message that no frame can hold is a bug (assertion). */
export function encodeMessage(message: WireMessage): Buffer {
  const { type, minBytes, maxBytes } = frameTypes[message.kind];
  const writer = new WireWriter();
  writeFields(writer, message);
  const frame = writer.frame(type);
  const size = frame.length - FRAME_HEAD_BYTES;
  assert(size >= minBytes && size <= maxBytes, `a ${message.kind} of ${size} bytes`);
  return frame;
}

/** Writes the head of a chunk frame with `sizeBytes` of payload to follow. */
export function writeChunkHead(target: Buffer, channel: number, piece: number, sizeBytes: number): void {
  target.writeUInt32BE(CHUNK_HEAD_BYTES - 4 + sizeBytes, 0);
  target.writeUInt8(CHUNK_TYPE, 4);
  target.writeUInt32BE(channel, 5);
  target.writeUInt32BE(piece, 9);
}

function writeFields(writer: WireWriter, message: WireMessage): void {
  switch (message.kind) {
    case 'hello':
      return writeHello(writer, message);
    case 'goodbye':
      writer.uint(goodbyeCodes.indexOf(message.code), 1).bytes(Buffer.from(message.text));
      return;
    case 'ping':
    case 'pong':
      writer.uint(message.token, 4);
      return;
    case 'open':
      writer.uint(message.channel, 4).hex(message.snapshot, 32);
      writer.uint(message.pieceCount, 4).bytes(message.ticket);
      return;
    case 'opened':
    case 'bitfield':
      writer.uint(message.channel, 4).bytes(message.bitfield);
      return;
    case 'refused':
      writer.uint(message.channel, 4).uint(refusalCodes.indexOf(message.code), 1);
      return;
    case 'close':
      writer.uint(message.channel, 4);
      return;
    case 'have':
      writer.uint(message.channel, 4);
      for (const piece of message.pieces) writer.uint(piece, 4);
      return;
    case 'grants':
      writer.uint(message.channel, 4);
      for (const grant of message.grants) writeGrant(writer, grant);
      return;
    case 'verdicts':
      writer.uint(message.channel, 4);
      for (const verdict of message.verdicts) writeVerdict(writer, verdict);
      return;
    case 'request':
    case 'cancel':
      writer.uint(message.channel, 4).uint(message.piece, 4);
      return;
    case 'reject':
      writer.uint(message.channel, 4).uint(message.piece, 4);
      writer.uint(rejectCodes.indexOf(message.code), 1).uint(message.retryAfterMs, 4);
      return;
    case 'piece':
      writer.uint(message.channel, 4).uint(message.piece, 4).uint(message.sizeBytes, 4);
      return writeProof(writer, message.proof);
    case 'call':
      return writeCall(writer, message);
    case 'answer':
      writer.uint(message.id, 4).uint((message.ok ? OK_FLAG : 0) | (message.last ? LAST_FLAG : 0), 1);
      writer.bytes(message.body);
      return;
    case 'abandon':
      writer.uint(message.id, 4);
      return;
    default:
      unreachable(message);
  }
}

function writeHello(writer: WireWriter, message: HelloMessage): void {
  writer.bytes(MAGIC).uint(message.version, 2).hex(message.peerId, 16);
  writer.fixed(message.publicKey, PUBLIC_KEY_BYTES).uint(message.listenPort, 2).uint(message.features, 4);
  if (message.keyProof) writer.fixed(message.keyProof, SIGNATURE_BYTES);
}

function writeCall(writer: WireWriter, message: CallMessage): void {
  const { method } = message;
  assert(METHOD.test(method) && method.length <= MAX_METHOD_CHARACTERS, `the method ${method}`);
  writer.uint(message.id, 4).uint(message.timeoutMs, 4).uint(method.length, 1);
  writer.bytes(Buffer.from(method, 'latin1')).bytes(message.body);
}

/** The message of a frame's type and payload. Throws `peer_protocol`; keeps no reference to `payload`. */
export function decodeMessage(type: number, payload: Buffer): WireMessage {
  const kind = frameKindOf(type);
  if (kind === undefined || kind === 'chunk') throw violation(`no message has the type ${type}`);
  const { minBytes, maxBytes } = frameTypes[kind];
  if (payload.length < minBytes || payload.length > maxBytes) {
    throw violation(`a ${kind} of ${payload.length} bytes`);
  }
  const reader = new WireReader(payload);
  const message = readFields(kind, reader);
  reader.end();
  return message;
}

function readFields(kind: WireMessage['kind'], reader: WireReader): WireMessage {
  if (kind === 'hello') return readHello(reader);
  if (kind === 'ping' || kind === 'pong') return { kind, token: reader.uint(4) };
  if (kind === 'goodbye') {
    const code = goodbyeCodes[reader.uint(1)] ?? 'internal';
    return { kind, code, text: reader.text('utf8', reader.remaining) };
  }
  return kind === 'call' || kind === 'answer' || kind === 'abandon'
    ? readCallFields(kind, reader)
    : readChannelFields(kind, reader);
}

function readHello(reader: WireReader): HelloMessage {
  if (!MAGIC.equals(reader.bytes(MAGIC.length))) throw violation('not an Anax peer');
  const version = reader.uint(2);
  const peerId = readPeerId(reader);
  const publicKey = reader.bytes(PUBLIC_KEY_BYTES);
  const listenPort = reader.uint(2);
  const features = reader.uint(4);
  const keyProof = reader.remaining >= SIGNATURE_BYTES ? reader.bytes(SIGNATURE_BYTES) : undefined;
  reader.bytes(reader.remaining); // Fields of later versions.
  return { kind: 'hello', version, peerId, publicKey, listenPort, features, ...(keyProof && { keyProof }) };
}

type CallKind = 'call' | 'answer' | 'abandon';

function readCallFields(kind: CallKind, reader: WireReader): WireMessage {
  const id = reader.uint(4);
  if (kind === 'abandon') return { kind, id };
  if (kind === 'answer') {
    const flags = reader.uint(1);
    if (flags > (OK_FLAG | LAST_FLAG)) throw violation('an answer with unknown flags');
    const ok = (flags & OK_FLAG) !== 0;
    const last = (flags & LAST_FLAG) !== 0;
    return { kind, id, ok, last, body: reader.bytes(reader.remaining) };
  }
  const timeoutMs = reader.uint(4);
  const length = reader.uint(1);
  const method = reader.text('latin1', length);
  if (!METHOD.test(method) || length > MAX_METHOD_CHARACTERS) throw violation('not a method name');
  return { kind, id, timeoutMs, method, body: reader.bytes(reader.remaining) };
}

type ChannelKind = Exclude<WireMessage['kind'], 'hello' | 'goodbye' | 'ping' | 'pong' | CallKind>;

function readChannelFields(kind: ChannelKind, reader: WireReader): WireMessage {
  const channel = reader.uint(4);
  switch (kind) {
    case 'open': {
      const snapshot = readSnapshotId(reader);
      const pieceCount = reader.uint(4);
      if (pieceCount > MAX_PIECES) throw violation(`a snapshot of ${pieceCount} pieces`);
      return { kind, channel, snapshot, pieceCount, ticket: reader.bytes(reader.remaining) };
    }
    case 'opened':
    case 'bitfield':
      return { kind, channel, bitfield: reader.bytes(reader.remaining) };
    case 'refused':
      return { kind, channel, code: refusalCodes[reader.uint(1)] ?? 'error' };
    case 'close':
      return { kind, channel };
    case 'have':
      return { kind, channel, pieces: readAll(reader, readPiece) };
    case 'grants':
      return { kind, channel, grants: readAll(reader, readGrant, MAX_GRANTS) };
    case 'verdicts':
      return { kind, channel, verdicts: readAll(reader, readVerdict, MAX_VERDICTS) };
    case 'request':
    case 'cancel':
      return { kind, channel, piece: readPiece(reader) };
    case 'reject': {
      const piece = readPiece(reader);
      const code = rejectCodes[reader.uint(1)] ?? 'error';
      return { kind, channel, piece, code, retryAfterMs: reader.uint(4) };
    }
    case 'piece': {
      const piece = readPiece(reader);
      const sizeBytes = reader.uint(4);
      if (sizeBytes < 1 || sizeBytes > MAX_PIECE_LENGTH_BYTES)
        throw violation(`a piece of ${sizeBytes} bytes`);
      return { kind, channel, piece, sizeBytes, proof: readProof(reader) };
    }
    default:
      return unreachable(kind);
  }
}

function readPiece(reader: WireReader): number {
  const piece = reader.uint(4);
  if (piece >= MAX_PIECES) throw violation(`a piece number of ${piece}`);
  return piece;
}

function readAll<Item>(reader: WireReader, read: (reader: WireReader) => Item, limit = Infinity): Item[] {
  const items: Item[] = [];
  while (reader.remaining > 0) {
    if (items.length === limit) throw violation('too many items in a frame');
    items.push(read(reader));
  }
  return items;
}
