// Connections that this host begins: a socket that a link can begin on, or why there is none.

import type { Socket } from 'node:net';
import { AnaxError, toAnaxError } from '../core/index.ts';
import type { PeerTls } from './peer-tls.ts';
import { connectSocket } from './socket.ts';
import type { StreamReader } from './stream-reader.ts';
import { bindingOf, type TlsSessions, toTlsError } from './tls-sockets.ts';

export interface Dialled {
  readonly socket: Socket;
  /** See `LinkOptions.binding`. */
  readonly binding: Uint8Array | undefined;
}

export interface DialSocketOptions {
  readonly address: { readonly host: string; readonly port: number };
  readonly tls: { readonly peerTls: PeerTls; readonly sessions: TlsSessions } | undefined;
  readonly readBuffer: Buffer;
  readonly reader: StreamReader;
  /** For all of it, the TLS handshake included. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Rejects with `network_unreachable`, `network_timeout`, `peer_tls`, or the signal's reason. */
export async function dialSocket(options: DialSocketOptions): Promise<Dialled> {
  const { address, tls, readBuffer, reader, timeoutMs, signal } = options;
  if (!tls) {
    const socket = connectSocket(address, readBuffer, reader);
    await connected(socket, { event: 'connect', timeoutMs, signal, toError: toNetworkError });
    return { socket, binding: undefined };
  }
  const socket = tls.sessions.connect(tls.peerTls, address, readBuffer, reader);
  await connected(socket, { event: 'secureConnect', timeoutMs, signal, toError: toTlsError });
  return { socket, binding: bindingOf(socket) };
}

function toNetworkError(error: unknown): AnaxError {
  return toAnaxError(error, 'network_unreachable');
}

interface ConnectedOptions {
  readonly event: 'connect' | 'secureConnect';
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly toError: (error: unknown) => AnaxError;
}

/** Destroys the socket where it rejects. */
function connected(socket: Socket, { event, timeoutMs, signal, toError }: ConnectedOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.off(event, onConnect);
      if (!error) return resolve();
      socket.destroy();
      reject(error);
    };
    const onConnect = () => settle();
    const abort = () => settle(signal.reason as Error);
    const timer = setTimeout(() => settle(new AnaxError('network_timeout', 'no connection')), timeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    socket.once(event, onConnect);
    // Stays, so that an error after a give-up does no harm.
    socket.on('error', (error) => settle(toError(error)));
  });
}
