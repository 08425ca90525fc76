// The links of one host, and what it reads from origins, with their sockets and all payload in cores: each in a worker
// thread, or one in this thread. Links are spread over the cores: accepted ones by the kernel, which has all of them listen
// on one port, dialled ones by number; so are the bodies of origins.
//
// Invariants: rates and the number of links hold for all cores together; a core that is lost takes its links along, and
// nothing else, and is replaced; after `stop` no thread and no link is left.

import {
  AnaxError,
  assert,
  type Identity,
  type Logger,
  MiB,
  type PeerId,
  type PieceHasher,
} from '../core/index.ts';
import type { BulkOptions } from '../http-body/index.ts';
import type { ByteRate, LinkLimits, PeerTls } from '../transport/index.ts';
import { CoreClient, type RemoteResponse } from './core-client.ts';
import { openLocalCore } from './core-port.ts';
import type { DataLink, DataLinkHandlers } from './data-link.ts';
import type { CoreSetup } from './messages.ts';
import { assertFree, canSharePorts } from './shared-port.ts';
import { openThreadCore } from './thread-port.ts';

/** Of all cores together: for pieces that arrive, and for pieces that leave. */
const RECEIVE_POOL_BYTES = 96 * MiB;
const SEND_POOL_BYTES = 32 * MiB;
/** What one core needs for itself: the largest piece and half of one; eight links that send. */
const MIN_RECEIVE_POOL_BYTES = 24 * MiB;
const MIN_SEND_POOL_BYTES = 16 * MiB;

/** A core that is lost again sooner than this after its start is replaced after a pause. */
const SOON_MS = 10_000;
const PAUSE_MS = 1_000;

export interface DataPlaneOptions {
  readonly identity: Identity;
  readonly logger: Logger;
  /** Worker threads; 0: none, all in this thread. */
  readonly workers: number;
  readonly createHasher: () => PieceHasher;
  /** Absent: links are plain TCP. Whoever loaded it stops it, after this. */
  readonly tls?: PeerTls | undefined;
  readonly limits: Partial<LinkLimits> & Pick<LinkLimits, 'maxLinks'>;
  /** Limits on piece payload; they may be changed at any time. */
  readonly uploadRate: ByteRate;
  readonly downloadRate: ByteRate;
  /** Called once for each link, before anything else arrives on it. */
  readonly attach: (link: DataLink) => DataLinkHandlers;
}

export interface DialAddress {
  readonly host: string;
  readonly port: number;
  readonly expectedPeerId: PeerId;
}

interface Listening {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
}

export class DataPlane {
  readonly #options: DataPlaneOptions;
  readonly #setup: CoreSetup;
  readonly #cores = new Set<CoreClient>();
  #listening: Listening | undefined;
  #restarts = new Set<NodeJS.Timeout>();
  #stopped: Promise<void> | undefined;

  constructor(options: DataPlaneOptions) {
    this.#options = options;
    const { identity, limits, workers, uploadRate, downloadRate, tls } = options;
    const cores = Math.max(1, workers);
    this.#setup = {
      identity,
      limits,
      receivePoolBytes: Math.max(MIN_RECEIVE_POOL_BYTES, RECEIVE_POOL_BYTES / cores),
      sendPoolBytes: Math.max(MIN_SEND_POOL_BYTES, SEND_POOL_BYTES / cores),
      uploadRate: uploadRate.state,
      downloadRate: downloadRate.state,
      ...(tls && { tls: tls.files }),
    };
    for (let at = 0; at < cores; at += 1) this.#startCore(at);
  }

  #startCore(at: number): CoreClient {
    const { logger, workers, createHasher, tls } = this.#options;
    const startedMs = performance.now();
    const core: CoreClient = new CoreClient({
      logger,
      open: (handlers) =>
        workers === 0
          ? openLocalCore(this.#setup, { createHasher, tls }, handlers)
          : openThreadCore(`anax-data-${at}`, this.#setup, handlers),
      attach: (link) => this.#attach(link),
      onLost: (error) => this.#replace(core, at, error, performance.now() - startedMs),
    });
    this.#cores.add(core);
    return core;
  }

  #attach(link: DataLink): DataLinkHandlers {
    if (this.linkCount > this.#options.limits.maxLinks) void link.close('limit');
    return this.#options.attach(link);
  }

  get linkCount(): number {
    let count = 0;
    for (const core of this.#cores) count += core.linkCount;
    return count;
  }

  #replace(core: CoreClient, at: number, error: Error, livedMs: number): void {
    this.#cores.delete(core);
    if (this.#stopped) return;
    this.#options.logger.error('a thread of the data plane was lost', { error: error.message });
    const restart = setTimeout(
      () => {
        this.#restarts.delete(restart);
        const next = this.#startCore(at);
        if (this.#listening) this.#listenAgain(next, this.#listening);
      },
      livedMs < SOON_MS ? PAUSE_MS : 0,
    );
    this.#restarts.add(restart);
  }

  #listenAgain(core: CoreClient, listening: Listening): void {
    core.request({ kind: 'listen', ...listening }).catch((error: unknown) => {
      if (!this.#stopped) this.#options.logger.error('a thread of the data plane does not listen', { error });
    });
  }

  /** Accepts links; returns the port. Throws `config_invalid` where the address cannot be listened on. */
  async listen(host: string, port: number): Promise<number> {
    assert(!this.#listening, 'listens once');
    const [first, ...others] = this.#cores;
    assert(first, 'a data plane has a core');
    // Where ports can't be shared, only one core accepts; all of them dial.
    const reusePort = others.length > 0 && (await canSharePorts());
    if (reusePort) await assertFree(host, port);
    const actual = await first.request({ kind: 'listen', host, port, reusePort });
    assert(typeof actual === 'number', 'a listener has a port');
    this.#listening = { host, port: actual, reusePort };
    if (reusePort) for (const core of others) this.#listenAgain(core, this.#listening);
    return actual;
  }

  /** Connects and says hello. Rejects as `PeerTransport.dial` does. */
  async dial(address: DialAddress, signal: AbortSignal): Promise<DataLink> {
    const core = least(this.#cores, ({ linkCount }) => linkCount);
    const number = await core.request({ kind: 'dial', ...address }, signal);
    const link = typeof number === 'number' ? core.link(number) : undefined;
    if (!link) throw new AnaxError('network_unreachable', 'the link ended');
    return link;
  }

  /**
   * Sends a GET for a large body to an origin; the body comes in in a core. Redirects and refusals are answers. Throws
   * what a request to an origin throws, and the signal's reason; it ends the body as well.
   */
  async bulkGet(
    url: URL,
    headers: Readonly<Record<string, string>>,
    options: BulkOptions,
    signal: AbortSignal,
  ): Promise<RemoteResponse> {
    const core = least(this.#cores, ({ bodyCount }) => bodyCount);
    return await core.get({ kind: 'get', url: url.href, headers, options }, signal);
  }

  /** Closes all links, and ends the threads. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    for (const restart of this.#restarts) clearTimeout(restart);
    await Promise.all([...this.#cores].map((core) => core.stop()));
    this.#cores.clear();
  }
}

/** The core that has least to do. Throws `network_unreachable` where there is none at the moment. */
function least(cores: Iterable<CoreClient>, loadOf: (core: CoreClient) => number): CoreClient {
  const [core] = [...cores].toSorted((a, b) => loadOf(a) - loadOf(b));
  if (!core) throw new AnaxError('network_unreachable', 'the data plane starts again');
  return core;
}
