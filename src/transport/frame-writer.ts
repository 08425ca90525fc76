// The sending half of a socket: control frames first, bulk (piece chunks, parts of answers) in turn behind them.
//
// Invariants: one write is with the socket at a time, a batch of the control frames that are waiting and at most one
// bulk item, handed over by writev; bulk buffers are untouched until the kernel has taken them and may be reused
// after that (the promise); control frames never wait behind more than the write that is under way; what control
// frames take while they wait is bounded, as is the time that one write may take. Both mean a remote that does not
// read, and end the link.

import type { Socket } from 'node:net';
import { AnaxError, assert } from '../core/index.ts';
import { unsentBytesOf } from './socket.ts';

interface Bulk {
  readonly frames: Buffer;
  readonly done: () => void;
  readonly failed: (error: AnaxError) => void;
}

export interface FrameWriterOptions {
  readonly maxControlBytes: number;
  /** Called when too much control waits. */
  readonly onSlow: () => void;
}

export class FrameWriter {
  readonly #socket: Socket;
  readonly #options: FrameWriterOptions;
  #control: Buffer[] = [];
  #controlBytes = 0;
  readonly #bulk: Bulk[] = [];
  #writing: Bulk | 'control' | undefined;
  #writingSinceMs = 0;
  #unsentBytes = 0;
  #progressAtMs = 0;
  #flushQueued = false;
  #state: 'open' | 'finishing' | 'closed' = 'open';
  bytesOut = 0;
  /** When a write was last begun. */
  lastWriteAtMs = performance.now();

  constructor(socket: Socket, options: FrameWriterOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** How long the write under way has been waiting for the remote, in milliseconds; 0 for none. */
  writingForMs(nowMs: number): number {
    return this.#writing ? nowMs - this.#writingSinceMs : 0;
  }

  /**
   * How long the remote has taken nothing at all of the write under way, as far as the calls of this method see it;
   * 0 for none.
   */
  stalledForMs(nowMs: number): number {
    if (!this.#writing) return 0;
    const unsentBytes = unsentBytesOf(this.#socket);
    if (unsentBytes !== this.#unsentBytes) this.#progressAtMs = nowMs;
    this.#unsentBytes = unsentBytes;
    return nowMs - Math.max(this.#progressAtMs, this.#writingSinceMs);
  }

  /** Sends a frame before any bulk that is still waiting. Frames of one turn of the event loop travel together. */
  control(frame: Buffer): void {
    if (this.#state !== 'open') return;
    this.#control.push(frame);
    this.#controlBytes += frame.length;
    if (this.#controlBytes > this.#options.maxControlBytes) {
      this.#options.onSlow();
      return;
    }
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => {
      this.#flushQueued = false;
      this.#flush();
    });
  }

  /** Sends frames in order behind earlier bulk. Resolves when the kernel took them; rejects when the link ends first. */
  bulk(frames: Buffer): Promise<void> {
    if (this.#state !== 'open') return Promise.reject(ended());
    return new Promise((done, failed) => {
      this.#bulk.push({ frames, done, failed });
      this.#flush();
    });
  }

  /** Sends a last control frame, drops waiting bulk, and half-closes the socket. */
  finish(frame: Buffer): void {
    if (this.#state !== 'open') return;
    this.control(frame);
    this.#state = 'finishing';
    this.#failBulk();
    this.#flush();
  }

  /** The socket is gone. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#control = [];
    if (typeof this.#writing === 'object') this.#writing.failed(ended());
    this.#failBulk();
  }

  #failBulk(): void {
    for (const { failed } of this.#bulk.splice(0)) failed(ended());
  }

  #flush(): void {
    if (this.#writing || this.#state === 'closed') return;
    const bulk = this.#bulk.shift();
    const parts = this.#control;
    if (bulk) parts.push(bulk.frames);
    if (parts.length === 0) {
      if (this.#state === 'finishing') this.#socket.end();
      return;
    }
    this.#control = [];
    this.#controlBytes = 0;
    this.#write(parts, bulk);
  }

  #write(parts: readonly Buffer[], bulk: Bulk | undefined): void {
    this.#writing = bulk ?? 'control';
    this.#writingSinceMs = performance.now();
    this.lastWriteAtMs = this.#writingSinceMs;
    this.#socket.cork();
    parts.forEach((part, at) => {
      this.bytesOut += part.length;
      // All of a corked batch is one write; its last callback stands for all.
      if (at < parts.length - 1) this.#socket.write(part);
      else this.#socket.write(part, this.#onWritten);
    });
    this.#socket.uncork();
  }

  readonly #onWritten = (error?: Error | null): void => {
    // The socket's own 'close' follows an error, and ends the link.
    if (error || this.#state === 'closed') return;
    const writing = this.#writing;
    assert(writing, 'a write was under way');
    this.#writing = undefined;
    if (writing !== 'control') writing.done();
    this.#flush();
  };
}

function ended(): AnaxError {
  return new AnaxError('network_unreachable', 'the link ended');
}
