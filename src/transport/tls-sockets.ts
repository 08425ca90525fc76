// TLS connections of both directions, up to where a link can begin on them: the handshake is over, and the other side
// has shown a certificate that the cluster's CA signed. Which host it is, its hello proves (handshake.ts): so the names
// in certificates are not looked at, and addresses need not be in them.

import type { Server, Socket } from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { AnaxError, systemErrorCode, toAnaxError } from '../core/index.ts';
import type { PeerTls } from './peer-tls.ts';
import { onread, type SocketReader } from './socket.ts';

const PROTOCOL = 'anax-peer/1';
const BINDING_BYTES = 32;
/** Hosts whose last session is remembered. */
const MAX_SESSIONS = 4096;

/** What only the two ends of this connection know (RFC 9266's use of RFC 8446, 7.5). */
export function bindingOf(socket: TLSSocket): Uint8Array {
  return socket.exportKeyingMaterial(BINDING_BYTES, 'EXPORTER-anax-peer-link', Buffer.alloc(0));
}

/** The last session with each address, so that the next handshake needs no certificates. */
export class TlsSessions {
  readonly #sessions = new Map<string, Buffer>();
  readonly #unsubscribe: () => void;

  constructor(peerTls: PeerTls) {
    this.#unsubscribe = peerTls.onReload(() => this.#sessions.clear());
  }

  /** Begins to connect; 'secureConnect' follows, or 'error'. */
  connect(
    peerTls: PeerTls,
    address: { readonly host: string; readonly port: number },
    readBuffer: Buffer,
    reader: SocketReader,
  ): TLSSocket {
    const key = `${address.host} ${address.port}`;
    const session = this.#sessions.get(key);
    const socket = tls.connect({
      ...address,
      secureContext: peerTls.context,
      ALPNProtocols: [PROTOCOL],
      checkServerIdentity: () => undefined,
      onread: onread(readBuffer, reader),
      ...(session && { session }),
    } as tls.ConnectionOptions);
    socket.setNoDelay(true);
    socket.on('session', (fresh) => this.#remember(key, fresh));
    return socket;
  }

  #remember(key: string, session: Buffer): void {
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    if (this.#sessions.size <= MAX_SESSIONS) return;
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest);
      return;
    }
  }

  stop(): void {
    this.#unsubscribe();
  }
}

export interface TlsServerOptions {
  readonly peerTls: PeerTls;
  readonly handshakeTimeoutMs: number;
  /** Ends handshakes that are under way. */
  readonly closing: AbortSignal;
  /** A connection begins its handshake. Returns what to call when that is over; `undefined` refuses it. */
  readonly admit: (host: string) => (() => void) | undefined;
  readonly onSocket: (socket: TLSSocket) => void;
  /** A handshake failed. `socket` can still say goodbye: over TLS, or without where the other side knows none. */
  readonly onRefused: (host: string, why: string, socket: Socket | undefined) => void;
}

export function createTlsServer(options: TlsServerOptions): Server {
  const { peerTls, handshakeTimeoutMs, closing, admit, onSocket, onRefused } = options;
  const handshakes = new Map<string, { readonly raw: Socket; readonly end: () => void }>();
  const server = tls.createServer({
    ...peerTls.material,
    requestCert: true,
    // Looked at below: so that who is refused can be told why.
    rejectUnauthorized: false,
    ALPNProtocols: [PROTOCOL],
    handshakeTimeout: handshakeTimeoutMs,
    noDelay: true,
  });
  server.on('connection', (raw: Socket) => {
    const release = closing.aborted ? undefined : admit(raw.remoteAddress ?? '');
    if (!release) {
      raw.destroy();
      return;
    }
    const address = addressOf(raw);
    const abort = (): void => void raw.destroy();
    const end = (): void => {
      closing.removeEventListener('abort', abort);
      if (handshakes.delete(address)) release();
    };
    closing.addEventListener('abort', abort, { once: true });
    handshakes.set(address, { raw, end });
    raw.once('close', end);
  });
  server.on('secureConnection', (socket) => {
    handshakes.get(addressOf(socket))?.end();
    const why = certificateFault(socket);
    if (why === undefined) onSocket(socket);
    else onRefused(socket.remoteAddress ?? '', why, socket);
  });
  server.on('tlsClientError', (error, socket) => {
    const raw = isWithoutTls(error) ? handshakes.get(addressOf(socket))?.raw : undefined;
    onRefused(socket.remoteAddress ?? '', tlsFaultText(error), raw);
    if (!raw) socket.destroy();
  });
  const unsubscribe = peerTls.onReload(() => server.setSecureContext(peerTls.material));
  server.on('close', unsubscribe);
  return server;
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/**
 * Why the other side's certificate is not taken. A resumed session carries the certificate that it began with; without
 * one OpenSSL takes it for good, and a certificate may have expired since.
 */
function certificateFault(socket: TLSSocket): string | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return 'it showed no certificate';
  if (!socket.authorized) return `its certificate: ${String(socket.authorizationError)}`;
  if (certificate.validToDate.getTime() < Date.now()) return 'its certificate: CERT_HAS_EXPIRED';
  return undefined;
}

/** What failed before the handshake was over, as `peer_tls`, or as the network's error that it was. */
export function toTlsError(error: unknown): AnaxError {
  const code = systemErrorCode(error) ?? '';
  const isNetwork = /^E(?!RR_)[A-Z]+$/u.test(code);
  if (isNetwork) return toAnaxError(error, 'network_unreachable');
  return new AnaxError('peer_tls', tlsFaultText(error), { cause: error });
}

/** What came was no TLS record. */
function isWithoutTls(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG';
}

function tlsFaultText(error: unknown): string {
  if (isWithoutTls(error)) return 'one end does not speak TLS, and the other speaks nothing else';
  const code = systemErrorCode(error);
  const reason = error instanceof Error && 'reason' in error ? error.reason : undefined;
  const text = reason ?? (error instanceof Error ? error.message : error);
  return `${code ?? 'TLS'}: ${String(text)}`;
}
