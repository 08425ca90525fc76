// Finds the source for a URL. Sources are registered by scheme; two for one scheme is an error, not a contest.

import { AnaxError, type Source } from '../core/index.ts';
import { schemeOf } from './ref-text.ts';

export interface SourceRegistry {
  /** All schemes, sorted. */
  readonly schemes: readonly string[];
  byScheme(scheme: string): Source | undefined;
  /** Throws `scheme_unknown`; its hint lists the schemes. */
  sourceFor(url: string): Source;
  /** Requests that were sent to origins so far. */
  requestCount(): number;
  /** Closes all sources and their connections. Idempotent. */
  close(): Promise<void>;
}

/** What the sources of a registry share. */
export interface SharedClient {
  readonly requestCount: number;
  close(): Promise<void>;
}

/** What people copy from a hub's page: `owner/name`. */
const HUB_NAME = /^[\w.-]{1,96}\/[\w.-]{1,96}$/u;

/** The client is closed after the sources. Throws `config_invalid` for a scheme that is taken. */
export function createRegistry(sources: readonly Source[], client: SharedClient): SourceRegistry {
  const byScheme = new Map<string, Source>();
  for (const source of sources) {
    for (const scheme of source.schemes) {
      if (byScheme.has(scheme)) throw new AnaxError('config_invalid', `two sources for ${scheme}://`);
      byScheme.set(scheme, source);
    }
  }
  const schemes = [...byScheme.keys()].toSorted();
  return {
    schemes,
    requestCount: () => client.requestCount,
    byScheme: (scheme) => byScheme.get(scheme),
    sourceFor: (url) => {
      const scheme = schemeOf(url);
      const source = scheme === undefined ? undefined : byScheme.get(scheme);
      if (source !== undefined) return source;
      const guess = byScheme.has('hf') && HUB_NAME.test(url) ? `did you mean hf://${url}? ` : '';
      const what = scheme === undefined ? 'the address names no scheme' : `${scheme.slice(0, 40)}://`;
      throw new AnaxError('scheme_unknown', what, {
        hint: `${guess}known are ${schemes.map((s) => `${s}://`).join(', ')}`,
      });
    },
    close: async () => {
      await Promise.all(sources.map((source) => source.close()));
      await client.close();
    },
  };
}
