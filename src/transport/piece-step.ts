// One step of a piece on its way out: its bytes are read behind the heads of their frames, so that what is written is
// one buffer. (Several would be copied into one by TLS, and cost the kernel a vector without it.)

import { fstatSync } from 'node:fs';
import { AnaxError, assert, type FileMark, type FileSpan, type PieceProof } from '../core/index.ts';
import { encodeMessage, writeChunkHead } from './codec.ts';
import { CHUNK_HEAD_BYTES } from './frame-types.ts';
import { MAX_CHUNK_BYTES } from './limits.ts';
import type { PieceId } from './piece-key.ts';
import type { SpanReader } from './span-reader.ts';

/**
 * Where a piece's bytes come from. A span is read by the link itself, at less cost; its file must stay open until the
 * answer is over. With a mark, the answer ends with `piece_corrupt` where the file was changed.
 */
type PieceBytes =
  | {
      /** Fills `target` with the piece's bytes from `offset` on. */
      readonly read: (offset: number, target: Buffer) => Promise<void>;
      readonly span?: undefined;
    }
  | { readonly span: FileSpan & { readonly mark?: FileMark }; readonly read?: undefined };

export type PieceToSend = PieceBytes &
  PieceId & {
    readonly sizeBytes: number;
    readonly proof: PieceProof;
    /** Called once if the remote takes nothing for a second; it may go on after that. */
    readonly onStalled?: () => void;
  };

/** Before the payload: the piece's own frame (129 bytes), a chunk's head (13), and what aligns the payload. */
const HEADS_BYTES = 192;
/** Read and written at once: a chunk. 256 KiB cost the giver half as much CPU again; 1 MiB gained nothing. */
export const MAX_STEP_BYTES = MAX_CHUNK_BYTES;

/** Behind the payload: a ping. */
const PING_BYTES = 9;

/** What the buffer of a step needs to hold. */
export function stepBufferBytes(stepBytes: number): number {
  return HEADS_BYTES + stepBytes + PING_BYTES;
}

/**
 * Reads a piece's bytes from `offset` on into `buffer`, and returns the part of it that is their frames, at once where
 * the bytes are. Behind it is room for `addPing`.
 */
export function readStep(
  item: PieceToSend,
  offset: number,
  stepBytes: number,
  buffer: Buffer,
  spans: SpanReader,
): Buffer | Promise<Buffer> {
  const payload = buffer.subarray(HEADS_BYTES, HEADS_BYTES + stepBytes);
  const reading = item.span ? spans.read(item.span, offset, payload) : item.read(offset, payload);
  if (!reading) return frameStep(item, offset, stepBytes, buffer);
  return reading.then(() => frameStep(item, offset, stepBytes, buffer));
}

function frameStep(item: PieceToSend, offset: number, stepBytes: number, buffer: Buffer): Buffer {
  const { channel, piece, sizeBytes, proof } = item;
  if (item.span?.mark && offset + stepBytes === sizeBytes) checkMark(item.span.fd, item.span.mark);
  const chunkAt = HEADS_BYTES - CHUNK_HEAD_BYTES;
  writeChunkHead(buffer.subarray(chunkAt, HEADS_BYTES), channel, piece, stepBytes);
  if (offset > 0) return buffer.subarray(chunkAt, HEADS_BYTES + stepBytes);
  const head = encodeMessage({ kind: 'piece', channel, piece, sizeBytes, proof });
  assert(head.length <= chunkAt, 'the head of a piece fits before its first chunk');
  buffer.set(head, chunkAt - head.length);
  return buffer.subarray(chunkAt - head.length, HEADS_BYTES + stepBytes);
}

/** The frames of a step with a ping behind them, in the same buffer. */
export function addPing(frames: Buffer, token: number): Buffer {
  const ping = encodeMessage({ kind: 'ping', token });
  assert(ping.length === PING_BYTES, 'a ping fits behind a step');
  const all = Buffer.from(frames.buffer, frames.byteOffset, frames.length + PING_BYTES);
  all.set(ping, frames.length);
  return all;
}

/** Synchronous: of an open file the kernel answers from memory, in less time than a thread of the pool takes to wake. */
function checkMark(fd: number, mark: FileMark): void {
  const { size, mtimeNs } = fstatSync(fd, { bigint: true });
  if (Number(size) === mark.sizeBytes && mtimeNs === mark.mtimeNs) return;
  throw new AnaxError('piece_corrupt', 'the file was changed');
}
