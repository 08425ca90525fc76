// Puts an engine together from the configuration: for the daemon, and for a command that has none.

import { join } from 'node:path';
import { type Config, loadIdentity } from '../config/index.ts';
import { assert, createIdentity, hasCode, type Identity, type Logger, type PeerInfo } from '../core/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import { controlRoutes, type DownloadEngine, startSocketServer } from '../rpc/index.ts';
import { connectScheduler, createLocalScheduler, type SchedulerLink } from '../scheduler-server/index.ts';
import { createSources } from '../sources/index.ts';
import { openBlobStore } from '../store/index.ts';
import { steadyClock, systemClock } from '../system/index.ts';
import { PeerTls } from '../transport/index.ts';
import { advertisedHost } from './advertised-host.ts';
import { Engine } from './engine.ts';

export interface StartOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly version: string;
}

/** A daemon that runs. */
export interface RunningDaemon {
  readonly ready: { readonly peerId: PeerInfo['id']; readonly peerPort: number; readonly socket: string };
  /** Ends it; open calls get up to the deadline, in milliseconds. Idempotent. */
  stop(deadlineMs: number): Promise<void>;
}

/** A download into which nothing has come for this long, beyond what the origin may ask for, has failed. */
const STALL_MS = 120_000;

/** How long a command waits for another that has the cache. */
const CACHE_WAIT_MS = 24 * 3_600_000;

export interface OpenOptions extends StartOptions {
  /** Ends the wait for the cache. */
  readonly signal?: AbortSignal;
  /** Another process has the cache, which is waited for. */
  readonly onCacheBusy?: (owner: string) => void;
}

/**
 * The engine inside a command: its identity lives as long as it does, it accepts no links, and ends what it shares
 * when its download ends. Waits for another command that uses the same cache.
 */
export async function openEngine(options: OpenOptions): Promise<DownloadEngine> {
  const { signal, onCacheBusy } = options;
  const open = async (waitForLockMs: number) => {
    const how = { listens: false, waitForLockMs, ...(signal && { signal }) };
    return (await assemble(options, createIdentity(), how)).control;
  };
  try {
    return await open(0);
  } catch (error) {
    if (!hasCode(error, 'store_locked')) throw error;
    onCacheBusy?.(String(error.details['owner']));
    return await open(CACHE_WAIT_MS);
  }
}

/** The daemon with its control socket. Throws `store_locked`, `config_invalid` for an address in use, … */
export async function startDaemon(options: StartOptions): Promise<RunningDaemon> {
  const { config } = options;
  const identity = await loadIdentity(config.dataDir, 'daemon');
  const engine = await assemble(options, identity, { listens: true, waitForLockMs: 0 });
  try {
    const server = await startSocketServer(controlRoutes(engine.control), {
      socketPath: config.socket,
      mode: 0o600,
    });
    let stopped: Promise<void> | undefined;
    const stop = async (deadlineMs: number): Promise<void> => {
      await server.close(deadlineMs);
      await engine.close();
    };
    return {
      ready: { peerId: engine.self.id, peerPort: engine.self.port, socket: config.socket },
      stop: (deadlineMs) => (stopped ??= stop(deadlineMs)),
    };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

interface AssembleOptions {
  readonly listens: boolean;
  readonly waitForLockMs: number;
  /** Ends the wait for the lock. */
  readonly signal?: AbortSignal;
}

async function assemble(
  { config, logger, version }: StartOptions,
  identity: Identity,
  { listens, waitForLockMs, signal }: AssembleOptions,
): Promise<Engine> {
  const tls = config.peerTls && (await PeerTls.load(config.peerTls, { logger }));
  const { hash, createHasher, implementation } = await loadPieceHash();
  if (implementation === 'wasm')
    logger.warn('the native BLAKE3 does not load: WebAssembly hashes far slower');
  // The store makes room with the engine's help, and the sources tell it what they are told: both are there before it.
  const late: { engine?: Engine } = {};
  const store = await openBlobStore({
    folder: join(config.cacheDir, 'store'),
    logger,
    clock: systemClock,
    pieceHash: hash,
    // Each takes some 15 MiB, and a machine of two cores has none to spare for a second.
    digestWorkers: config.workers > 1 ? 2 : 1,
    waitForLockMs,
    letGo: async (digest) => await late.engine?.letGo(digest),
    ...(signal && { signal }),
    ...(config.capacityBytes !== undefined && { capacityBytes: config.capacityBytes }),
  });
  const deps = {
    identity,
    store,
    hash,
    createHasher,
    tls,
    logger,
    clock: steadyClock,
    random: Math.random,
    sources: createSources({
      version,
      logger,
      clock: systemClock,
      hfEndpoint: config.hfEndpoint,
      modelscopeEndpoint: config.modelscopeEndpoint,
      maxRetryWaitMs: config.retryWaitMs,
      onThrottled: (waitMs: number) => late.engine?.throttled(waitMs),
      bulkGet: async (...request) => {
        assert(late.engine, 'origins are read by an engine');
        return await late.engine.bulkGet(...request);
      },
      proxy: {
        ...(config.httpProxy !== undefined && { httpUrl: config.httpProxy }),
        ...(config.httpsProxy !== undefined && { httpsUrl: config.httpsProxy }),
        ...(config.noProxy !== undefined && { noProxy: config.noProxy }),
      },
    }),
    schedulerFor: (self: PeerInfo, rejoin: () => ReturnType<Engine['joinFacts']>) =>
      schedulerLink({ config, logger, identity, self, rejoin }),
  };
  try {
    late.engine = await Engine.open(deps, {
      self: {
        id: identity.id,
        publicKey: identity.publicKey,
        host: await advertisedHost(config),
        role: config.role,
        zone: config.zone,
        hostname: config.hostname,
        version,
      },
      ...(listens && { listen: { host: config.host, port: config.port } }),
      keepServing: listens,
      hubEndpoints: { hf: config.hfEndpoint, modelscope: config.modelscopeEndpoint },
      cacheDir: config.cacheDir,
      capacityBytes: config.capacityBytes,
      schedulerAddress: config.scheduler,
      originReads: config.originConnections,
      workers: listens ? config.workers : 0,
      // An origin may ask everybody to wait this long; only then has nothing moved for too long.
      stallMs: config.retryWaitMs + STALL_MS,
      uploadBytesPerSecond: config.uploadBytesPerSecond,
      downloadBytesPerSecond: config.downloadBytesPerSecond,
    });
    return late.engine;
  } catch (error) {
    tls?.stop();
    await deps.sources.close();
    await store.stop();
    throw error;
  }
}

interface SchedulerNeeds {
  readonly config: Config;
  readonly logger: Logger;
  readonly identity: Identity;
  readonly self: PeerInfo;
  readonly rejoin: () => ReturnType<Engine['joinFacts']>;
}

function schedulerLink({ config, logger, identity, self, rejoin }: SchedulerNeeds): SchedulerLink {
  const common = { self, logger, clock: steadyClock, random: Math.random };
  if (config.scheduler === undefined) return createLocalScheduler({ ...common, identity });
  return connectScheduler({ ...common, url: `http://${config.scheduler}`, rejoin });
}
