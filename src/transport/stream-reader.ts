// From a socket's bytes to frames, with stops: where a sink asks to wait, the socket is paused, what was read already
// is kept (at most one read, 512 KiB), and parsing goes on from there.
//
// Payload of a piece is read to where it belongs. Such a read takes the head of the next chunk along, which lands where
// that chunk's payload will be put over it; so a chunk costs no read of its own for its head, and no copy.

import type { Socket } from 'node:net';
import { assert } from '../core/index.ts';
import { FrameParser, type FrameSink } from './frame-parser.ts';
import type { SocketReader } from './socket.ts';

export interface PieceSink extends FrameSink {
  /** Whether a piece was begun and is not whole. */
  readonly isArriving: boolean;
  /**
   * Asked before each read. Where the next bytes of the chunk under way belong, at most `sizeBytes` of them, and after
   * them room for the head of the next chunk, if the piece has another; it must not be used otherwise until the next
   * call, or until the socket is closed. `undefined` for nowhere, always for 0.
   */
  chunkPlace(sizeBytes: number): Buffer | undefined;
}

export class StreamReader implements SocketReader {
  #parser: FrameParser | undefined;
  #sink: PieceSink | undefined;
  #socket: Socket | undefined;
  #onError: (error: unknown) => void = () => undefined;
  #stopped = false;
  /** Bytes that came with the end of a TLS handshake, before `start`. */
  readonly #early: Buffer[] = [];
  /** Whether the socket is being read. */
  reading = true;
  bytesIn = 0;
  /** When bytes came last, or reading went on. */
  lastReadAtMs = performance.now();

  /** To be called in the turn in which the connection is there. `onError` gets what the parser or the sink threw. */
  start(socket: Socket, sink: PieceSink, onError: (error: unknown) => void): void {
    this.#socket = socket;
    this.#sink = sink;
    this.#parser = new FrameParser(sink);
    this.#onError = onError;
    for (const bytes of this.#early.splice(0)) this.take(bytes, 0, bytes.length);
  }

  target(shared: Buffer): Buffer {
    const runs = this.reading && !this.#stopped;
    const place = this.#sink?.chunkPlace(runs ? (this.#parser?.chunkBytes ?? 0) : 0);
    if (place) return place;
    // Between two chunks of a piece no payload may end up in the shared buffer, or it would have to be copied.
    const headBytes = runs && this.#sink?.isArriving ? (this.#parser?.headBytes ?? 0) : 0;
    return headBytes > 0 ? shared.subarray(0, headBytes) : shared;
  }

  take(source: Buffer, start: number, end: number): boolean {
    this.bytesIn += end - start;
    this.lastReadAtMs = performance.now();
    if (!this.#parser) {
      this.#early.push(Buffer.from(source.subarray(start, end)));
      return true;
    }
    const at = this.#parse(source, start, end);
    const wait = this.#parser?.wait;
    if (!wait || this.#stopped) return true;
    this.reading = false;
    void this.#goOnAfter(wait, Buffer.from(source.subarray(at, end)));
    return false;
  }

  /** Drops everything from now on. What the sink waits for must settle by itself. */
  stop(): void {
    this.#stopped = true;
  }

  #parse(source: Buffer, start: number, end: number): number {
    if (this.#stopped) return end;
    assert(this.#parser, 'a reader is started before it reads');
    try {
      return this.#parser.push(source, start, end);
    } catch (error) {
      this.#stopped = true;
      this.#onError(error);
      return end;
    }
  }

  async #goOnAfter(first: Promise<void>, rest: Buffer): Promise<void> {
    let at = 0;
    for (let wait: Promise<void> | undefined = first; wait && !this.#stopped; wait = this.#parser?.wait) {
      try {
        await wait;
      } catch (error) {
        if (!this.#stopped) this.#onError(error);
        this.#stopped = true;
      }
      at = this.#parse(rest, at, rest.length);
    }
    this.reading = true;
    this.lastReadAtMs = performance.now();
    this.#socket?.resume();
  }
}
