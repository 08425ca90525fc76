// Where the bytes of files are, as the hub said: at a signed URL of its CDN, or at the hub itself. Kept in memory until
// the URL ends, so that a file costs one question however many ranges of it are read; questions asked at the same time
// are one. Signed URLs are secrets: they stay in here.

import { abortable, type Clock } from '../core/index.ts';
import { BoundedMap } from './bounded-map.ts';
import { signedUrlExpiry } from './url-expiry.ts';

export type FileLocation = { readonly kind: 'direct' } | { readonly kind: 'signed'; readonly url: URL };

interface Known {
  readonly location: FileLocation;
  readonly endsAtMs: number;
}

/** Files whose location is remembered, at most: some 1 KiB each. */
const MAX_LOCATIONS = 16_384;

/** Assumed where the URL doesn't say: what Hugging Face and ModelScope sign for. */
const DEFAULT_LIFETIME_MS = 3_600_000;

/** A URL is renewed this long before its end (or a tenth of its life before, if that is less), in milliseconds. */
const RENEW_AHEAD_MS = 60_000;

export class LocatedFiles {
  readonly #clock: Clock;
  readonly #known = new BoundedMap<string, Known>(MAX_LOCATIONS);
  readonly #asked = new Map<string, Promise<FileLocation | undefined>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The location under a key, which must name file, commit and credentials; asked for with `locate` where it is not
   * known or about to end. Who waits for another's question shares its answer and its error, but not its abort.
   */
  async find(key: string, signal: AbortSignal, locate: () => Promise<FileLocation>): Promise<FileLocation> {
    for (;;) {
      signal.throwIfAborted();
      const known = this.#known.get(key);
      if (known !== undefined && known.endsAtMs > this.#clock.now()) return known.location;
      const asked = this.#asked.get(key);
      if (asked === undefined) return await this.#ask(key, signal, locate);
      const shared = await abortable(asked, signal);
      if (shared !== undefined) return shared;
    }
  }

  /** Forgets a location that turned out not to serve, unless another has taken its place. */
  forget(key: string, location: FileLocation): void {
    if (this.#known.get(key)?.location === location) this.#known.delete(key);
  }

  async #ask(key: string, signal: AbortSignal, locate: () => Promise<FileLocation>): Promise<FileLocation> {
    const asked = locate();
    this.#asked.set(key, forOthers(asked, signal));
    try {
      const location = await asked;
      this.#known.set(key, { location, endsAtMs: this.#endOf(location) });
      return location;
    } finally {
      this.#asked.delete(key);
    }
  }

  #endOf(location: FileLocation): number {
    const nowMs = this.#clock.now();
    const signedUntilMs = location.kind === 'signed' ? signedUrlExpiry(location.url) : undefined;
    const endsAtMs = signedUntilMs ?? nowMs + DEFAULT_LIFETIME_MS;
    return endsAtMs - Math.min(RENEW_AHEAD_MS, (endsAtMs - nowMs) / 10);
  }
}

/** The outcome as others see it: `undefined` where who asked gave up, so that one of them asks again. */
function forOthers(asked: Promise<FileLocation>, signal: AbortSignal): Promise<FileLocation | undefined> {
  const shared = asked.catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw error;
  });
  // Its error is the asker's to see; here it only must not count as unhandled when nobody else waits.
  shared.catch(() => undefined);
  return shared;
}
