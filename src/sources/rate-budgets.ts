// What is left of an origin's quotas, as its answers said, so that we slow down before it refuses. Kept per origin,
// credentials and quota. A caller names the class of its request (`resolve`, `api`); which of the hub's quotas that
// class counts towards is learned from the answers.

import type { ResponseHeaders } from '../http-body/index.ts';
import { BoundedMap } from './bounded-map.ts';
import { askedWaitMs, header, parseRateLimit } from './retry-policy.ts';

/** Whose quota: the origin's, for these credentials, for this class of request. */
export interface QuotaKey {
  readonly origin: string;
  readonly fingerprint: string;
  readonly requestClass: string;
}

interface Budget {
  remaining: number;
  resetAtMs: number;
}

/** Origins times credentials times quotas; far more than a host talks to. */
const MAX_BUDGETS = 4096;

export class RateBudgets {
  readonly #budgets = new BoundedMap<string, Budget>(MAX_BUDGETS);
  /** Request class → the hub's name of its quota. */
  readonly #buckets = new BoundedMap<string, string>(MAX_BUDGETS);

  /** How long to wait before a request, in milliseconds; takes one from the quota where it is 0. */
  take(key: QuotaKey, nowMs: number): number {
    const budget = this.#budgets.get(this.#name(key));
    if (budget === undefined || budget.resetAtMs <= nowMs) return 0;
    if (budget.remaining <= 0) return budget.resetAtMs - nowMs;
    budget.remaining -= 1;
    return 0;
  }

  /** Learns from an answer. A 429 closes the quota for as long as it says. */
  observe(key: QuotaKey, status: number, headers: ResponseHeaders, nowMs: number): void {
    const limit = parseRateLimit(header(headers, 'ratelimit'));
    if (limit !== undefined) this.#buckets.set(joinKey(key, key.requestClass), limit.bucket);
    const askedMs = status === 429 ? askedWaitMs(headers, nowMs) : undefined;
    if (askedMs !== undefined) {
      this.#budgets.set(this.#name(key), { remaining: 0, resetAtMs: nowMs + askedMs });
    } else if (limit !== undefined) {
      this.#budgets.set(this.#name(key), { remaining: limit.remaining, resetAtMs: nowMs + limit.resetMs });
    }
  }

  #name(key: QuotaKey): string {
    const bucket = this.#buckets.get(joinKey(key, key.requestClass));
    return bucket === undefined ? joinKey(key, key.requestClass) : joinKey(key, `"${bucket}"`);
  }
}

function joinKey(key: QuotaKey, last: string): string {
  return `${key.origin} ${key.fingerprint} ${last}`;
}
