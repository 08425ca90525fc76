// Cuts the byte stream of a link into frames, wherever the reads happen to be split. Chunk payload is handed on as
// it lies in the read buffer, without a copy and without an allocation; other frames are small, and handed over as a
// view when whole (collected only where a read split them).
//
// Invariants: the type and length of a frame are checked before anything of it is kept; at most one partial frame,
// no longer than its type allows, is held; after a sink answered with a promise nothing more is parsed until `push`
// is called again, which is the caller's to delay until that promise is settled.

import { AnaxError } from '../core/index.ts';
import {
  CHUNK_FIELDS_BYTES,
  CHUNK_HEAD_BYTES,
  CHUNK_TYPE,
  FRAME_HEAD_BYTES,
  frameTypeOf,
} from './frame-types.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import { violation } from './messages.ts';

/** Where frames go. A returned promise stops the parser until it is settled. */
export interface FrameSink {
  /** A whole frame but a chunk; `payload` is valid during the call only. */
  onFrame(type: number, payload: Buffer): Promise<void> | undefined;
  /** A chunk with `sizeBytes` of payload begins. */
  onChunk(channel: number, piece: number, sizeBytes: number): void;
  /** Some payload of the chunk that began last. */
  onChunkBytes(source: Buffer, start: number, end: number): void;
  /** The chunk's payload is over. */
  onChunkEnd(): Promise<void> | undefined;
}

export class FrameParser {
  readonly #sink: FrameSink;
  /** The begin of a frame that a read split. */
  #partial: GrowingBuffer | undefined;
  /** Chunk payload still to come. */
  #chunkBytes = 0;
  #wait: Promise<void> | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** What the sink asked to wait for in the last `push`. */
  get wait(): Promise<void> | undefined {
    return this.#wait;
  }

  /** Payload still to come of the chunk under way; 0 between frames and in others. */
  get chunkBytes(): number {
    return this.#chunkBytes;
  }

  /** How many bytes may be the head of a chunk and nothing of its payload; 0 inside a chunk and in longer frames. */
  get headBytes(): number {
    if (this.#chunkBytes > 0) return 0;
    return Math.max(0, CHUNK_HEAD_BYTES - (this.#partial?.length ?? 0));
  }

  /**
   * Parses `source` from `start` to `end`, and returns where it stopped: `end`, or before it where `wait` is set.
   * Throws `peer_protocol`; the stream is unusable after that.
   */
  push(source: Buffer, start: number, end: number): number {
    this.#wait = undefined;
    let at = start;
    while (at < end && !this.#wait) at = this.#step(source, at, end);
    return at;
  }

  #step(source: Buffer, at: number, end: number): number {
    if (this.#chunkBytes > 0) return this.#takeChunk(source, at, end);
    if (this.#partial) return this.#complete(this.#partial, source, at, end);
    const need = frameNeed(source, at, end);
    if (need > end - at) {
      this.#partial = new GrowingBuffer();
      this.#partial.append(source, at, end);
      return end;
    }
    this.#dispatch(source, at, at + need);
    return at + need;
  }

  #takeChunk(source: Buffer, at: number, end: number): number {
    const stop = Math.min(end, at + this.#chunkBytes);
    this.#chunkBytes -= stop - at;
    this.#sink.onChunkBytes(source, at, stop);
    if (this.#chunkBytes === 0) this.#wait = this.#sink.onChunkEnd();
    return stop;
  }

  #complete(partial: GrowingBuffer, source: Buffer, at: number, end: number): number {
    let next = at;
    for (;;) {
      const held = partial.view();
      const missing = frameNeed(held, 0, held.length) - held.length;
      if (missing <= 0) break;
      if (next === end) return end;
      const stop = Math.min(end, next + missing);
      partial.append(source, next, stop);
      next = stop;
    }
    this.#partial = undefined;
    this.#dispatch(partial.view(), 0, partial.length);
    return next;
  }

  #dispatch(bytes: Buffer, start: number, end: number): void {
    const type = bytes.readUInt8(start + 4);
    if (type !== CHUNK_TYPE) {
      this.#wait = this.#sink.onFrame(type, bytes.subarray(start + FRAME_HEAD_BYTES, end));
      return;
    }
    const sizeBytes = bytes.readUInt32BE(start) - 1 - CHUNK_FIELDS_BYTES;
    this.#chunkBytes = sizeBytes;
    this.#sink.onChunk(bytes.readUInt32BE(start + 5), bytes.readUInt32BE(start + 9), sizeBytes);
  }
}

/**
 * How many bytes from `start` on are needed to go on: the head, then the whole frame (of a chunk, the fields before
 * the payload). Checks type and length as soon as the head is there.
 */
function frameNeed(bytes: Buffer, start: number, end: number): number {
  if (end - start < FRAME_HEAD_BYTES) return FRAME_HEAD_BYTES;
  const length = bytes.readUInt32BE(start) - 1;
  const type = bytes.readUInt8(start + 4);
  // A TLS record is an alert (21) or a handshake (22) of version 3.x; as a length that would be over every limit.
  if ((bytes[start] === 21 || bytes[start] === 22) && bytes[start + 1] === 3) {
    throw new AnaxError('peer_tls', 'the peer speaks TLS, and this host is set up without');
  }
  const limits = frameTypeOf(type);
  if (!limits) throw violation(`a frame of the unknown type ${type}`);
  if (length < limits.minBytes || length > limits.maxBytes) {
    throw violation(`a frame of type ${type} with ${length} bytes`);
  }
  return type === CHUNK_TYPE ? CHUNK_HEAD_BYTES : FRAME_HEAD_BYTES + length;
}
