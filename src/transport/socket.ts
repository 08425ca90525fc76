// How sockets are read, and plain ones made (those with TLS are in tls-sockets.ts).
//
// Dialled sockets read by `onread` into one buffer that all links of a transport share: libuv fills it and calls back
// before any other socket is read, so it is free again when the callback returns. (True on POSIX, where a read
// happens when data is there; on Windows a read is started ahead, and each socket would need a buffer of its own.)
// A reader that knows what comes next may name a buffer of its own instead, and is spared a copy.
//
// Accepted sockets: `net.Server` has no option for `onread`. Two ways, measured on Node 24.21 over loopback, 6 GiB,
// receiver's CPU: 'data' events (a 64 KiB allocation each read) 0.47–0.56 CPU-s/GiB at 1.9–2.4 GiB/s; a socket put
// anew on the accepted one's handle, with `onread`, 0.15–0.20 CPU-s/GiB at 3.2–4.7 GiB/s. The second needs
// `_handle`, which Node does not document, so it is an option and falls back to the first where `_handle` is no more.
// An accepted TLS socket is given buffers as `onread` would have done it: 0.61 CPU-s/GiB where 'data' costs 1.00.

import net from 'node:net';
import { TLSSocket } from 'node:tls';

/** Who reads from a socket. */
export interface SocketReader {
  /** Takes bytes of `source` from `start` to `end`, at once; `false` stops reading until `resume()`. */
  take(source: Buffer, start: number, end: number): boolean;
  /** Where the next bytes shall be put: `shared`, or a buffer that stays the reader's until it is asked again. */
  target(shared: Buffer): Buffer;
}

/** How accepted sockets are read. */
export type AcceptedReads = 'data' | 'onread';

/**
 * Bytes that were written and the kernel has not taken; always 0 where Node does not say. It tells a slow remote from
 * one that takes nothing: Node's own timeout of sockets looks at the same number, but takes what is read for progress.
 */
export function unsentBytesOf(socket: net.Socket): number {
  const handle = (socket as unknown as SocketInternals)._handle;
  if (typeof handle !== 'object' || handle === null || !('writeQueueSize' in handle)) return 0;
  return Number(handle.writeQueueSize);
}

interface SocketInternals {
  _handle?: unknown;
  _server?: unknown;
  [symbol: symbol]: unknown;
}

/** Node asks for the buffer at the start and after each callback; what it got then is what the next read fills. */
export function onread(shared: Buffer, reader: SocketReader): net.OnReadOpts {
  let buffer = shared;
  return {
    buffer: () => {
      buffer = reader.target(shared);
      return buffer;
    },
    callback: (length) => reader.take(buffer, 0, length),
  };
}

/** Begins to connect. Frames are whole when written, so waiting for more (Nagle) would only delay them. */
export function connectSocket(
  address: { readonly host: string; readonly port: number },
  readBuffer: Buffer,
  reader: SocketReader,
): net.Socket {
  return net.connect({ ...address, noDelay: true, onread: onread(readBuffer, reader) });
}

/** A server whose sockets do nothing before `readAccepted`. */
export function createSocketServer(onSocket: (socket: net.Socket) => void): net.Server {
  return net.createServer({ pauseOnConnect: true, noDelay: true }, onSocket);
}

/** Starts reading an accepted socket; the socket to use from then on is the one that is returned. */
export function readAccepted(
  accepted: net.Socket,
  reads: AcceptedReads,
  readBuffer: Buffer,
  reader: SocketReader,
): net.Socket {
  const adopt = accepted instanceof TLSSocket ? lendBuffers : moveHandle;
  const adopted = reads === 'onread' ? adopt(accepted, onread(readBuffer, reader)) : undefined;
  if (adopted) return adopted;
  accepted.on('data', (bytes: Buffer) => {
    if (!reader.take(bytes, 0, bytes.length)) accepted.pause();
  });
  accepted.resume();
  return accepted;
}

/** Moves an accepted socket's handle, and its place in the server's count, to a socket with `onread`. */
function moveHandle(accepted: net.Socket, reads: net.OnReadOpts): net.Socket | undefined {
  const old = accepted as unknown as SocketInternals;
  const handle = old._handle;
  if (typeof handle !== 'object' || handle === null || !('readStart' in handle)) return undefined;
  // The documented value is a BoundSocket, of which Node takes the handle; it takes a handle as well.
  const socket = new net.Socket({ handle: handle as unknown as net.BoundSocket, onread: reads });
  (socket as unknown as SocketInternals)._server = old._server;
  old._handle = null;
  old._server = null;
  accepted.destroy();
  return socket;
}

/** Does to an accepted TLS socket what the option `onread` does to one that connects. */
function lendBuffers(accepted: net.Socket, reads: net.OnReadOpts): net.Socket | undefined {
  const socket = accepted as unknown as SocketInternals;
  const handle = socket._handle as { useUserBuffer?: (buffer: Uint8Array) => void } | null | undefined;
  const keys = bufferKeys();
  if (!handle?.useUserBuffer || !keys || typeof reads.buffer !== 'function') return undefined;
  const next = reads.buffer;
  const first = next();
  socket[keys.kBuffer] = first;
  socket[keys.kBufferGen] = next;
  socket[keys.kBufferCb] = (length: number, bytes: Uint8Array) => reads.callback(length, bytes);
  handle.useUserBuffer(first);
  accepted.resume();
  return accepted;
}

/** Under which a socket keeps what `onread` gave it. */
function bufferKeys(): Readonly<Record<'kBuffer' | 'kBufferGen' | 'kBufferCb', symbol>> | undefined {
  const socket = new net.Socket({ onread: { buffer: new Uint8Array(1), callback: () => true } });
  const symbols = Object.getOwnPropertySymbols(socket);
  const find = (name: string) => symbols.find(({ description }) => description === name);
  const [kBuffer, kBufferGen, kBufferCb] = ['kBuffer', 'kBufferGen', 'kBufferCb'].map(find);
  return kBuffer && kBufferGen && kBufferCb ? { kBuffer, kBufferGen, kBufferCb } : undefined;
}
