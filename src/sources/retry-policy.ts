// Decides whether and when a request to an origin is sent again. Pure: time and chance come in as values. What the
// origin asks for (`Retry-After`, `RateLimit`) is obeyed or, where it is longer than the caller will wait, refused at
// once; it is never shortened.

import type { Random } from '../core/index.ts';
import type { ResponseHeaders } from '../http-body/index.ts';

export interface RetryLimits {
  /** Times one request is sent, at most. Default 6. */
  readonly maxAttempts: number;
  /** All waits of one request together, in milliseconds. Default 300,000: one window of Hugging Face's limits. */
  readonly maxRetryWaitMs: number;
  /** Upper end of the first random wait, in milliseconds; doubles each time. Default 500. */
  readonly backoffBaseMs: number;
  /** Upper end of any random wait, in milliseconds. Default 30,000. */
  readonly backoffMaxMs: number;
}

export const defaultRetryLimits: RetryLimits = {
  maxAttempts: 6,
  maxRetryWaitMs: 300_000,
  backoffBaseMs: 500,
  backoffMaxMs: 30_000,
};

export type RetryVerdict =
  | { readonly kind: 'wait'; readonly waitMs: number }
  | { readonly kind: 'stop'; readonly why: 'attempts' | 'wait'; readonly askedMs: number };

export interface RetryState {
  /** Times the request was sent so far. */
  readonly attempts: number;
  readonly waitedMs: number;
}

/** `askedMs` is what the origin asked for, where it did. */
export function decideRetry(
  state: RetryState,
  askedMs: number | undefined,
  limits: RetryLimits,
  random: Random,
): RetryVerdict {
  const waitMs = Math.max(askedMs ?? 0, backoffMs(state.attempts, limits, random));
  if (state.attempts >= limits.maxAttempts) return { kind: 'stop', why: 'attempts', askedMs: askedMs ?? 0 };
  if (state.waitedMs + waitMs > limits.maxRetryWaitMs) return { kind: 'stop', why: 'wait', askedMs: waitMs };
  return { kind: 'wait', waitMs };
}

/** Full jitter: uniform below a bound that doubles with each attempt made, so that a herd spreads out. */
export function backoffMs(attempts: number, limits: RetryLimits, random: Random): number {
  const bound = Math.min(limits.backoffMaxMs, limits.backoffBaseMs * 2 ** Math.max(0, attempts - 1));
  return Math.floor(random() * bound);
}

/** 501 and 505 are about the request itself, and will be the same the next time. */
export function isRetryableStatus(status: number): boolean {
  if (status === 501 || status === 505) return false;
  return status === 408 || status === 429 || status >= 500;
}

/** The value of a header; of several, the first. Names are lower case. */
export function header(headers: ResponseHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

/** How long an answer asks to wait, in milliseconds from now; the longest where it says so twice. */
export function askedWaitMs(headers: ResponseHeaders, nowMs: number): number | undefined {
  const asked = [parseRetryAfter(header(headers, 'retry-after'), nowMs)];
  const limit = parseRateLimit(header(headers, 'ratelimit'));
  if (limit?.remaining === 0) asked.push(limit.resetMs);
  const known = asked.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

/** Seconds, or an HTTP date. Anything else is `undefined`. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d{1,9}$/u.test(text)) return Number(text) * 1000;
  if (!/^[A-Z][a-z]{2},? /u.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

export interface RateLimit {
  /** The hub's name of the quota, such as `resolvers`. */
  readonly bucket: string;
  readonly remaining: number;
  /** Until the quota is whole again, with the second that Hugging Face's own client adds. */
  readonly resetMs: number;
}

/** Reads `RateLimit: "resolvers";r=2998;t=172`; `undefined` where it is not of this form. */
export function parseRateLimit(value: string | undefined): RateLimit | undefined {
  const [name, ...parameters] = (value?.split(',')[0] ?? '').split(';').map((part) => part.trim());
  const bucket = /^"([^"]{1,100})"$/u.exec(name ?? '')?.[1];
  const remaining = parameter(parameters, 'r');
  const seconds = parameter(parameters, 't');
  if (bucket === undefined || remaining === undefined || seconds === undefined) return undefined;
  return { bucket, remaining, resetMs: (seconds + 1) * 1000 };
}

function parameter(parameters: readonly string[], name: string): number | undefined {
  const text = parameters.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
  return /^\d{1,9}$/u.test(text) ? Number(text) : undefined;
}
