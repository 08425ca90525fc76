/** Options and surface that the emulated hubs of both kinds share. */
import type { Faults } from './faults.ts';
import { OriginServer, type OriginServerDeps, type OriginServerOptions } from './origin-server.ts';
import { Bandwidth, type BandwidthOptions } from './pacer.ts';
import type { Handler } from './reply.ts';
import type { HubStats, LogEntry, RequestListener, RequestLog } from './request-log.ts';

export interface EmulatorOptions {
  /** Address to listen on, and the hub's name in URLs. Default 127.0.0.1. */
  readonly host?: string;
  /** The CDN's name in URLs: another hostname than the hub's. Default `localhost`. */
  readonly cdnHost?: string;
  /** Default 0: a free port. */
  readonly hubPort?: number;
  readonly cdnPort?: number;
  /** Milliseconds since the epoch, for quotas and expiry. Default `Date.now`. */
  readonly clock?: () => number;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Caps on file content. The total is shared by hub and CDN. Default: none. */
  readonly bandwidth?: BandwidthOptions;
  /** Connections that each host accepts; more are closed at once. Default: no cap. */
  readonly maxConnections?: number;
  /** Default one hour. */
  readonly signedUrlTtlMs?: number;
}

/** What every running emulator offers. */
export interface Emulator {
  /** What HF_ENDPOINT or MODELSCOPE_ENDPOINT takes. */
  readonly url: string;
  readonly cdnUrl: string;
  readonly faults: Faults;
  /** Every request since the start or the last `resetLog`, oldest first. */
  readonly log: readonly LogEntry[];
  stats(): HubStats;
  resetLog(): void;
  /** Called before a request is handled, e.g. to move a branch between two requests. Returns how to stop. */
  onRequest(listener: RequestListener): () => void;
  /** Closes all connections; idempotent. */
  close(): Promise<void>;
}

export interface OriginPair {
  readonly hub: OriginServer;
  readonly cdn: OriginServer;
}

/** Starts hub and CDN; `handlers` is asked once, when both URLs are known. */
export async function startOrigins(
  options: EmulatorOptions,
  deps: { faults: Faults; log: RequestLog; clock: () => number },
  handlers: (urls: { hubUrl: string; cdnUrl: string }) => { hub: Handler; cdn: Handler },
): Promise<OriginPair> {
  const { host = '127.0.0.1', cdnHost = 'localhost', hubPort = 0, cdnPort = 0 } = options;
  const bandwidth = new Bandwidth(options.bandwidth);
  const common = {
    address: host,
    ...(options.tls ? { tls: options.tls } : {}),
    ...(options.maxConnections === undefined ? {} : { maxConnections: options.maxConnections }),
  };
  let built: { hub: Handler; cdn: Handler } | undefined;
  const make = (
    name: 'hub' | 'cdn',
    serverOptions: Pick<OriginServerOptions, 'hostname' | 'port'>,
  ): OriginServer => {
    const serverDeps: OriginServerDeps = {
      host: name,
      ...deps,
      bandwidth,
      handler: (request) => {
        built ??= handlers({ hubUrl: hub.url, cdnUrl: cdn.url });
        return built[name](request);
      },
    };
    return new OriginServer(serverDeps, { ...common, ...serverOptions });
  };
  const hub = make('hub', { hostname: host, port: hubPort });
  const cdn = make('cdn', { hostname: cdnHost, port: cdnPort });
  await cdn.start();
  await hub.start();
  return { hub, cdn };
}

export function emulatorSurface(origins: OriginPair, faults: Faults, log: RequestLog): Emulator {
  return {
    url: origins.hub.url,
    cdnUrl: origins.cdn.url,
    faults,
    log: log.entries,
    stats: () => log.stats(),
    resetLog: () => log.reset(),
    onRequest: (listener) => log.onRequest(listener),
    close: async () => {
      await Promise.all([origins.hub.stop(), origins.cdn.stop()]);
    },
  };
}
