// The links of one process (or worker thread): dialled and accepted, with what they share: buffers, rates, limits.
//
// Invariants: the number of links, in all and with one host, is bounded, those still saying hello included; after
// `stop` no link and no listener is left.

import type { Server, Socket } from 'node:net';
import {
  AnaxError,
  assert,
  type Identity,
  type Logger,
  MiB,
  type PeerId,
  type PieceHasher,
  silentLogger,
  toAnaxError,
} from '../core/index.ts';
import { BufferPool } from './buffer-pool.ts';
import { encodeMessage } from './codec.ts';
import { defaultLinkLimits, type LinkLimits } from './limits.ts';
import { Link, type LinkResources } from './link.ts';
import type { AttachLink, PeerLink } from './peer-link.ts';
import { RateGate } from './rate-gate.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { type AcceptedReads, connectSocket, createSocketServer, readAccepted } from './socket.ts';
import { StreamReader } from './stream-reader.ts';

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
  readonly uploadLimiter?: RateLimiter;
  readonly downloadLimiter?: RateLimiter;
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
  readonly #perHost = new Map<string, number>();
  #count = 0;
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
      uploadGate: new RateGate(options.uploadLimiter),
      downloadGate: new RateGate(options.downloadLimiter),
    };
    this.#acceptedReads = options.acceptedReads ?? 'data';
    this.#port = options.advertisedPort ?? 0;
  }

  /** Links, those still saying hello or goodbye included. */
  get linkCount(): number {
    return this.#count;
  }

  /** Accepts links. Throws `config_invalid` where the address cannot be listened on. */
  async listen(options: ListenOptions): Promise<PeerListener> {
    assert(!this.#stopping.signal.aborted, 'a transport that runs');
    const links = new Set<Link>();
    const server = createSocketServer((socket) => this.#accept(socket, options.attach, links));
    await listening(server, options);
    const address = server.address();
    assert(typeof address === 'object' && address, 'a listening server has an address');
    this.#port = address.port;
    let closing: Promise<void> | undefined;
    const listener: PeerListener = {
      port: address.port,
      close: () => {
        closing ??= closeServer(server, links).finally(() => this.#listeners.delete(listener));
        return closing;
      },
    };
    this.#listeners.add(listener);
    return listener;
  }

  #accept(accepted: Socket, attach: AttachLink, links: Set<Link>): void {
    const host = accepted.remoteAddress ?? '';
    if (!this.#hasRoom(host)) {
      this.#resources.logger.warn('a link was refused for a limit', { host });
      refuse(accepted);
      return;
    }
    const reader = new StreamReader();
    const socket = readAccepted(accepted, this.#acceptedReads, this.#readBuffer, reader);
    const link = new Link(this.#resources, {
      role: 'acceptor',
      socket,
      reader,
      listenPort: this.#port,
      attach,
    });
    this.#track(link, host);
    links.add(link);
    void link.closed.then(() => links.delete(link));
  }

  /**
   * Connects and says hello. Rejects with `network_unreachable`, `network_timeout`, `peer_refused`, `peer_protocol`,
   * `limit_exceeded`, or the signal's reason.
   */
  async dial(options: DialOptions): Promise<PeerLink> {
    const { host, port, expectedPeerId, attach } = options;
    const stopping = this.#stopping.signal;
    const signal = options.signal ? AbortSignal.any([options.signal, stopping]) : stopping;
    signal.throwIfAborted();
    if (!this.#hasRoom(host)) {
      throw new AnaxError('limit_exceeded', `no more links, or none with ${host}`);
    }
    const reader = new StreamReader();
    const socket = connectSocket({ host, port }, this.#readBuffer, reader);
    const release = this.#reserve(host);
    try {
      // The link must exist before the first byte: it does, since what follows runs in the turn of the connect.
      await connected(socket, this.#resources.limits.connectTimeoutMs, signal);
    } catch (error) {
      socket.destroy();
      release();
      throw error;
    }
    const link = new Link(this.#resources, {
      role: 'dialer',
      socket,
      reader,
      listenPort: this.#port,
      expectedPeerId,
      attach,
    });
    release();
    this.#track(link, host);
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

  #hasRoom(host: string): boolean {
    const { maxLinks, maxLinksPerHost } = this.#resources.limits;
    return this.#count < maxLinks && (this.#perHost.get(host) ?? 0) < maxLinksPerHost;
  }

  #reserve(host: string): () => void {
    this.#count += 1;
    this.#perHost.set(host, (this.#perHost.get(host) ?? 0) + 1);
    return () => {
      this.#count -= 1;
      const left = (this.#perHost.get(host) ?? 0) - 1;
      if (left > 0) this.#perHost.set(host, left);
      else this.#perHost.delete(host);
    };
  }

  #track(link: Link, host: string): void {
    const release = this.#reserve(host);
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
  }
}

function refuse(socket: Socket): void {
  socket.on('error', () => undefined);
  socket.end(encodeMessage({ kind: 'goodbye', code: 'limit', text: 'too many links' }));
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

function connected(socket: Socket, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.off('connect', onConnect);
      if (error) reject(error);
      else resolve();
    };
    const onConnect = () => settle();
    const abort = () => settle(signal.reason as Error);
    const timer = setTimeout(() => settle(new AnaxError('network_timeout', 'no connection')), timeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    socket.once('connect', onConnect);
    // Stays, so that an error after a give-up does no harm.
    socket.on('error', (error) => settle(toAnaxError(error, 'network_unreachable')));
  });
}
