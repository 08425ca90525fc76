// What people ask of this host, over the daemon's socket or in the same process: downloads, its state, its cache.

import type { BlobStore, Clock, Digest, PeerId, PeerInfo, PieceHash, StoredSnapshot } from '../core/index.ts';
import type {
  BlobSelector,
  CacheListing,
  ControlApi,
  DaemonStatus,
  DownloadEvent,
  DownloadRequest,
  PinResult,
  RemoveResult,
  TrafficLimits,
  VerifyEvent,
  VerifyRequest,
} from '../rpc/index.ts';
import type { SchedulerLink } from '../scheduler-server/index.ts';
import type { SourceRegistry } from '../sources/index.ts';
import { listCache, pinInCache, removeFromCache, unpinInCache } from './cache-control.ts';
import { type DownloadDeps, runDownload } from './download.ts';
import type { HeldBlobs } from './held-blobs.ts';
import type { Lender } from './lender.ts';
import type { OriginBudgets } from './origin-budget.ts';
import { createDestination } from './outputs.ts';
import type { Repairs } from './repairs.ts';
import type { Resolver } from './resolver.ts';
import type { Sessions } from './sessions.ts';
import { cacheStatus, swarmStatus } from './status.ts';
import type { TrafficRates } from './traffic-rates.ts';
import type { Uploads } from './uploads.ts';
import { verifyCache } from './verify-cache.ts';

export interface ControlOptions {
  /** For status. */
  readonly cacheDir: string;
  readonly capacityBytes: number | undefined;
  readonly schedulerAddress: string | undefined;
  /** A download fails with `swarm_stalled` when nothing came in for this long. */
  readonly stallMs: number;
}

/** The engine's parts, as far as people have to do with them. */
export interface ControlParts {
  readonly self: PeerInfo;
  readonly store: BlobStore;
  readonly hash: PieceHash;
  readonly clock: Clock;
  readonly sources: Pick<SourceRegistry, 'sourceFor' | 'requestCount'>;
  readonly scheduler: Pick<SchedulerLink, 'connected'>;
  readonly resolver: Pick<Resolver, 'resolve'>;
  readonly sessions: Pick<Sessions, 'use' | 'all' | 'totals' | 'endIdle'>;
  readonly held: Pick<HeldBlobs, 'changed'>;
  readonly lender: Pick<Lender, 'end'>;
  readonly repairs: Repairs;
  readonly uploads: Pick<Uploads, 'bytesSent'>;
  readonly budgets: Pick<OriginBudgets, 'waits'>;
  readonly rates: Pick<TrafficRates, 'change'>;
  /** A snapshot's canonical URL. */
  readonly urlOf: (snapshot: StoredSnapshot) => string;
  /** Aborted when the engine closes. */
  readonly signal: AbortSignal;
  readonly close: () => Promise<void>;
}

export class Control implements ControlApi {
  readonly #options: ControlOptions;
  readonly #parts: ControlParts;
  /** Of the downloads that run. */
  readonly #throttleListeners = new Set<(waitMs: number) => void>();
  readonly #startedMs: number;

  constructor(options: ControlOptions, parts: ControlParts) {
    this.#options = options;
    this.#parts = parts;
    this.#startedMs = parts.clock.now();
  }

  /** An origin asked this host to wait: whoever downloads hears of it. */
  throttled(waitMs: number): void {
    for (const hear of this.#throttleListeners) hear(waitMs);
  }

  download(request: DownloadRequest, signal: AbortSignal): AsyncIterable<DownloadEvent> {
    const deps = this.#downloadDeps(request);
    return runDownload(deps, request, AbortSignal.any([signal, this.#parts.signal]));
  }

  #downloadDeps(request: DownloadRequest): DownloadDeps {
    const { store, sources, clock, resolver, sessions, urlOf } = this.#parts;
    const { url, revision, endpoint, include, exclude, stream = false } = request;
    const asked = sources.sourceFor(url).parse(url, {
      ...(revision !== undefined && { revision }),
      ...(endpoint !== undefined && { endpoint }),
    });
    return {
      resolve: (credentials, until) =>
        resolver.resolve({ ref: asked, include, exclude, credentials, inOrder: stream }, until),
      format: urlOf,
      openSession: (snapshot, credentials, order) => sessions.use(snapshot, credentials, order),
      createDestination: (snapshot) => createDestination(store, request, asked, snapshot),
      digestsOf: (digest) => digestsOf(store, digest),
      onThrottled: (hear) => {
        this.#throttleListeners.add(hear);
        return () => void this.#throttleListeners.delete(hear);
      },
      originRequests: () => sources.requestCount(),
      now: () => clock.now(),
      stallMs: this.#options.stallMs,
    };
  }

  async ping(): Promise<{ readonly version: string; readonly peerId: PeerId }> {
    const { version, id } = this.#parts.self;
    return { version, peerId: id };
  }

  async status(): Promise<DaemonStatus> {
    const { cacheDir, capacityBytes, schedulerAddress } = this.#options;
    const { self, clock, scheduler, store, sessions, budgets, uploads, sources, urlOf } = this.#parts;
    const totals = sessions.totals();
    return {
      peer: self,
      uptimeMs: clock.now() - this.#startedMs,
      scheduler: {
        connected: scheduler.connected,
        ...(schedulerAddress !== undefined && { address: schedulerAddress }),
      },
      cache: cacheStatus(cacheDir, store.list(), capacityBytes),
      swarms: [...sessions.all()].map((session) => swarmStatus(session, urlOf(session.snapshot))),
      originWaits: budgets.waits(),
      totals: {
        bytesFromPeers: totals.fromPeers,
        bytesFromOrigin: totals.fromOrigin,
        bytesToPeers: uploads.bytesSent,
        originRequests: sources.requestCount(),
      },
    };
  }

  async setLimits(change: Partial<TrafficLimits>): Promise<TrafficLimits> {
    return this.#parts.rates.change(change);
  }

  async list(): Promise<CacheListing> {
    return listCache(this.#parts.store, this.#parts.urlOf);
  }

  async remove(target: BlobSelector): Promise<RemoveResult> {
    const { store, sessions, lender, held } = this.#parts;
    const release = async (digests: ReadonlySet<Digest>): Promise<void> => {
      await sessions.endIdle(digests);
      await lender.end(digests);
    };
    try {
      return await removeFromCache(store, target, release);
    } finally {
      held.changed();
    }
  }

  async pin(target: BlobSelector): Promise<PinResult> {
    return pinInCache(this.#parts.store, target);
  }

  async unpin(target: BlobSelector): Promise<PinResult> {
    return unpinInCache(this.#parts.store, target);
  }

  verify(request: VerifyRequest, signal: AbortSignal): AsyncIterable<VerifyEvent> {
    return verifyCache(this.#parts, request, AbortSignal.any([signal, this.#parts.signal]));
  }

  close(): Promise<void> {
    return this.#parts.close();
  }
}

/** All names of a stored blob. */
async function digestsOf(store: BlobStore, digest: Digest): Promise<readonly Digest[]> {
  const found = await store.find(digest);
  return found ? [found.digest, ...found.aliases] : [];
}
