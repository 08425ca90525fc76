// L2: adapters to origins. Nothing outside this folder knows a hub's protocol.

import { type Clock, type Logger, type Random, type Source, silentLogger } from '../core/index.ts';
import { FileSource } from './file/file-source.ts';
import { HfSource } from './hf/hf-source.ts';
import { HttpSource } from './http/http-source.ts';
import { ModelscopeSource } from './modelscope/modelscope-source.ts';
import { type BulkGet, OriginClient, type OriginClientOptions } from './origin-client.ts';
import { createRegistry, type SourceRegistry } from './registry.ts';

export interface CreateSourcesOptions extends Omit<OriginClientOptions, 'userAgent'> {
  /** Of anax, for the User-Agent `anax/<version>`. */
  readonly version: string;
  readonly clock: Clock;
  /** Spreads retries. Default `Math.random`. */
  readonly random?: Random;
  /** Default: silent. */
  readonly logger?: Logger;
  /** An origin asked to wait so long. Default: nobody is told. */
  readonly onThrottled?: (waitMs: number) => void;
  /** For large bodies. Default: they come in in this thread. */
  readonly bulkGet?: BulkGet;
  /** The hub of hf:// URLs without an endpoint. Default `https://huggingface.co`. */
  readonly hfEndpoint?: string;
  /** The hub of modelscope:// URLs without an endpoint. Default `https://www.modelscope.cn`. */
  readonly modelscopeEndpoint?: string;
  /** Whether file:// is served. Default true; a daemon that takes URLs from others turns it off. */
  readonly localFiles?: boolean;
  /** Further sources, for schemes of their own. */
  readonly extra?: readonly Source[];
}

/** All sources of this build, over one HTTP client. */
export function createSources(options: CreateSourcesOptions): SourceRegistry {
  const { clock, random = Math.random, logger = silentLogger } = options;
  const client = new OriginClient(
    {
      clock,
      random,
      logger,
      ...(options.onThrottled && { onThrottled: options.onThrottled }),
      ...(options.bulkGet && { bulkGet: options.bulkGet }),
    },
    { ...options, userAgent: `anax/${options.version}` },
  );
  const sources: Source[] = [
    new HfSource(client, options.hfEndpoint === undefined ? {} : { endpoint: options.hfEndpoint }),
    new ModelscopeSource(
      client,
      options.modelscopeEndpoint === undefined ? {} : { endpoint: options.modelscopeEndpoint },
    ),
    new HttpSource(client),
    ...(options.localFiles === false ? [] : [new FileSource()]),
  ];
  return createRegistry([...sources, ...(options.extra ?? [])], client);
}

export type { ProxyOptions } from './origin-client.ts';
export type { SourceRegistry } from './registry.ts';
