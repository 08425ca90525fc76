/**
 * A hub's request quotas: three buckets, fixed windows of 300 s, one count for each caller (token or address).
 * Says what to announce with every answer, and whether a request is over.
 */

export type Bucket = 'api' | 'resolvers' | 'pages';
export type Quota = Readonly<Record<Bucket, number>>;

export interface QuotaOptions {
  readonly anonymous?: Partial<Quota>;
  readonly token?: Partial<Quota>;
}

export interface Allowance {
  readonly bucket: Bucket;
  readonly quota: number;
  readonly remaining: number;
  readonly resetSeconds: number;
  readonly exceeded: boolean;
}

export const WINDOW_MS = 300_000;
/** hub-docs, September 2025: anonymous callers and free users. */
const ANONYMOUS: Quota = { api: 500, resolvers: 3000, pages: 100 };
const TOKEN: Quota = { api: 1000, resolvers: 5000, pages: 200 };

export class RateLimits {
  readonly #anonymous: Quota;
  readonly #token: Quota;
  #window = -1;
  readonly #counts = new Map<string, number>();

  constructor(options: QuotaOptions = {}) {
    this.#anonymous = { ...ANONYMOUS, ...options.anonymous };
    this.#token = { ...TOKEN, ...options.token };
  }

  /** Counts one request. */
  spend(bucket: Bucket, caller: { token: string | undefined; address: string }, nowMs: number): Allowance {
    const window = Math.floor(nowMs / WINDOW_MS);
    if (window !== this.#window) this.#counts.clear();
    this.#window = window;
    const key = `${bucket}:${caller.token === undefined ? `ip:${caller.address}` : `token:${caller.token}`}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    const quota = (caller.token === undefined ? this.#anonymous : this.#token)[bucket];
    const resetSeconds = Math.ceil(((window + 1) * WINDOW_MS - nowMs) / 1000);
    return { bucket, quota, remaining: Math.max(0, quota - count), resetSeconds, exceeded: count > quota };
  }
}

/** Any URL with `/resolve/` or its redirect target is a resolver; the scarcer rest is API or page. */
export function bucketOf(rawPath: string): Bucket {
  if (rawPath.includes('/resolve/') || rawPath.startsWith('/api/resolve-cache/')) return 'resolvers';
  return rawPath.startsWith('/api/') ? 'api' : 'pages';
}

export function rateLimitHeaders(allowance: Allowance): Record<string, string> {
  const { bucket, quota, remaining, resetSeconds } = allowance;
  return {
    ratelimit: `"${bucket}";r=${remaining};t=${resetSeconds}`,
    'ratelimit-policy': `"fixed window";"${bucket}";q=${quota};w=${WINDOW_MS / 1000}`,
  };
}
