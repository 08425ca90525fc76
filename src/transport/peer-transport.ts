// The links of one process (or worker thread): dialled and accepted, with what they share: buffers, rates, limits.
//
// Invariants: the number of links, in all and with one host, is bounded, those still saying hello included; after
// `stop` no link and no listener is left.

import type { Server, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import {
  AnaxError,
  assert,
  hasCode,
  type Identity,
  type Logger,
  MiB,
  type PeerId,
  type PieceHasher,
  silentLogger,
} from '../core/index.ts';
import { BufferPool } from './buffer-pool.ts';
import { ByteRate } from './byte-rate.ts';
import { encodeMessage } from './codec.ts';
import { dialSocket } from './dial.ts';
import { defaultLinkLimits, type LinkLimits } from './limits.ts';
import { Link, type LinkResources } from './link.ts';
import { LinkCounts } from './link-counts.ts';
import type { GoodbyeCode } from './messages.ts';
import type { AttachLink, PeerLink } from './peer-link.ts';
import type { PeerTls } from './peer-tls.ts';
import { RateGate } from './rate-gate.ts';
import { type AcceptedReads, createSocketServer, readAccepted } from './socket.ts';
import { SpanReader } from './span-reader.ts';
import { StreamReader } from './stream-reader.ts';
import { bindingOf, createTlsServer, TlsSessions } from './tls-sockets.ts';

/** One read of a socket, for all of them. 256 KiB to 1 MiB made no difference that stood out of the noise. */
const READ_BUFFER_BYTES = 512 * 1024;
/** Step buffers of 512 KiB: two a link that sends, so 32 links at once; others take turns. */
const DEFAULT_SEND_POOL_BYTES = 32 * MiB;

export interface PeerTransportOptions {
  readonly identity: Identity;
  /** Over `defaultLinkLimits`. */
  readonly limits?: Partial<LinkLimits>;
  readonly logger?: Logger;
  /** For pieces that arrive. Default: 96 MiB. */
  readonly receivePool?: BufferPool;
  /** Hashes pieces while they arrive, when they are in the processor's cache. Default: `digest` is left out. */
  readonly createHasher?: () => PieceHasher;
  /** For pieces that leave. Default: 32 MiB. */
  readonly sendPool?: BufferPool;
  /** Both limit piece payload, over all links. Default: none. */
  readonly uploadRate?: ByteRate;
  readonly downloadRate?: ByteRate;
  /** All links are TLS links, and those without are refused. Whoever loaded it stops it. Default: none are. */
  readonly tls?: PeerTls;
  /** How accepted sockets are read, see `socket.ts`. Default `data`. */
  readonly acceptedReads?: AcceptedReads;
  /** Said in hello by links that are dialled when nothing listens here. Default 0, nowhere. */
  readonly advertisedPort?: number;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Several threads or processes accept on one port. Default false. */
  readonly reusePort?: boolean;
  readonly attach: AttachLink;
}

export interface PeerListener {
  readonly port: number;
  /** Stops accepting, and closes the links that were accepted. Idempotent. */
  close(): Promise<void>;
}

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** Anybody else who answers is refused. */
  readonly expectedPeerId?: PeerId;
  readonly signal?: AbortSignal;
  readonly attach: AttachLink;
}

export class PeerTransport {
  readonly #resources: LinkResources;
  readonly #acceptedReads: AcceptedReads;
  readonly #readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  readonly #links = new Set<Link>();
  readonly #listeners = new Set<PeerListener>();
  readonly #counts: LinkCounts;
  readonly #tls: { readonly peerTls: PeerTls; readonly sessions: TlsSessions } | undefined;
  #port: number;
  readonly #stopping = new AbortController();

  constructor(options: PeerTransportOptions) {
    this.#resources = {
      identity: options.identity,
      limits: { ...defaultLinkLimits, ...options.limits },
      logger: options.logger ?? silentLogger,
      createHasher: options.createHasher,
      receivePool: options.receivePool ?? new BufferPool(),
      sendPool: options.sendPool ?? new BufferPool(DEFAULT_SEND_POOL_BYTES),
      spans: new SpanReader(),
      uploadGate: new RateGate(options.uploadRate ?? new ByteRate()),
      downloadGate: new RateGate(options.downloadRate ?? new ByteRate()),
    };
    this.#counts = new LinkCounts(this.#resources.limits);
    const { tls: peerTls } = options;
    this.#tls = peerTls && { peerTls, sessions: new TlsSessions(peerTls) };
    this.#acceptedReads = options.acceptedReads ?? 'data';
    this.#port = options.advertisedPort ?? 0;
  }

  /** Links, those still saying hello or goodbye included. */
  get linkCount(): number {
    return this.#counts.total;
  }

  /** Accepts links. Throws `config_invalid` where the address cannot be listened on. */
  async listen(options: ListenOptions): Promise<PeerListener> {
    assert(!this.#stopping.signal.aborted, 'a transport that runs');
    const links = new Set<Link>();
    const ending = new AbortController();
    const server = this.#createServer(ending.signal, (socket) => {
      this.#accept(socket, options.attach, links);
    });
    await listening(server, options);
    const address = server.address();
    assert(typeof address === 'object' && address, 'a listening server has an address');
    this.#port = address.port;
    let closing: Promise<void> | undefined;
    const listener: PeerListener = {
      port: address.port,
      close: () => {
        ending.abort();
        closing ??= closeServer(server, links).finally(() => this.#listeners.delete(listener));
        return closing;
      },
    };
    this.#listeners.add(listener);
    return listener;
  }

  #createServer(closing: AbortSignal, accept: (socket: Socket) => void): Server {
    const { limits, logger } = this.#resources;
    if (!this.#tls) {
      return createSocketServer((socket) => {
        if (this.#admits(socket.remoteAddress ?? '')) accept(socket);
        else refuse(socket, 'limit', 'too many links');
      });
    }
    return createTlsServer({
      peerTls: this.#tls.peerTls,
      handshakeTimeoutMs: limits.helloTimeoutMs,
      closing,
      admit: (host) => (this.#admits(host) ? this.#counts.reserve(host) : undefined),
      onSocket: accept,
      onRefused: (host, why, socket) => {
        logger.warn('a connection was refused for its TLS', { host, why });
        if (socket) refuse(socket, 'tls', why);
      },
    });
  }

  #admits(host: string): boolean {
    if (this.#counts.hasRoom(host)) return true;
    this.#resources.logger.warn('a link was refused for a limit', { host });
    return false;
  }

  #accept(accepted: Socket, attach: AttachLink, links: Set<Link>): void {
    const host = accepted.remoteAddress ?? '';
    const reader = new StreamReader();
    const socket = readAccepted(accepted, this.#acceptedReads, this.#readBuffer, reader);
    const link = new Link(this.#resources, {
      role: 'acceptor',
      socket,
      reader,
      listenPort: this.#port,
      binding: accepted instanceof TLSSocket ? bindingOf(accepted) : undefined,
      attach,
    });
    this.#track(link, host);
    links.add(link);
    void link.closed.then(() => links.delete(link));
  }

  /**
   * Connects and says hello. Rejects with `network_unreachable`, `network_timeout`, `peer_refused`, `peer_protocol`,
   * `peer_tls`, `limit_exceeded`, or the signal's reason.
   */
  async dial(options: DialOptions): Promise<PeerLink> {
    const { host, port } = options;
    try {
      return await this.#dial(options);
    } catch (error) {
      if (hasCode(error, 'peer_tls')) {
        this.#resources.logger.warn('a peer was not reached for its TLS', { host, port, why: error.message });
      }
      throw error;
    }
  }

  async #dial({ host, port, expectedPeerId, attach, signal: given }: DialOptions): Promise<PeerLink> {
    const stopping = this.#stopping.signal;
    const signal = given ? AbortSignal.any([given, stopping]) : stopping;
    signal.throwIfAborted();
    if (!this.#counts.hasRoom(host)) {
      throw new AnaxError('limit_exceeded', `no more links, or none with ${host}`);
    }
    const reader = new StreamReader();
    const release = this.#counts.reserve(host);
    let link: Link;
    try {
      const { socket, binding } = await dialSocket({
        address: { host, port },
        tls: this.#tls,
        readBuffer: this.#readBuffer,
        reader,
        timeoutMs: this.#resources.limits.connectTimeoutMs,
        signal,
      });
      const listenPort = this.#port;
      const options = { socket, reader, listenPort, expectedPeerId, binding, attach };
      link = new Link(this.#resources, { role: 'dialer', ...options });
      this.#track(link, host);
    } finally {
      release();
    }
    return await this.#ready(link, signal);
  }

  async #ready(link: Link, signal: AbortSignal): Promise<PeerLink> {
    const abort = () => void link.close('done');
    signal.addEventListener('abort', abort, { once: true });
    try {
      await link.ready;
      return link;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #track(link: Link, host: string): void {
    const release = this.#counts.reserve(host);
    this.#links.add(link);
    void link.closed.then(() => {
      this.#links.delete(link);
      release();
    });
  }

  /** Closes listeners and links. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new AnaxError('interrupted', 'the transport stops'));
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
    await Promise.all([...this.#links].map((link) => link.close('shutdown')));
    this.#tls?.sessions.stop();
  }
}

/** Says why and closes, whether the other side listens or not. */
function refuse(socket: Socket, code: GoodbyeCode, text: string): void {
  socket.on('error', () => undefined);
  socket.end(encodeMessage({ kind: 'goodbye', code, text }));
  socket.destroySoon();
}

async function closeServer(server: Server, links: ReadonlySet<Link>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  await Promise.all([...links].map((link) => link.close('shutdown')));
  await closed;
}

function listening(server: Server, { host, port, reusePort = false }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new AnaxError('config_invalid', `cannot listen on ${host}:${port}: ${error.message}`, {
          cause: error,
        }),
      );
    });
    server.listen({ host, port, reusePort }, resolve);
  });
}
