// The one HTTP client for all origins: connections, retries, rate limits, redirects. It answers for who sees what:
// credentials go to the hub's own origin only and are dropped for good once a redirect leaves it; a redirect from https
// to http is refused; TLS is verified. It knows no hub: a 404 is an answer here, for the source to read.

import { getCACertificates } from 'node:tls';
import { Agent, type Dispatcher, EnvHttpProxyAgent, request as send } from 'undici';
import {
  AnaxError,
  type Clock,
  type Credentials,
  type Logger,
  MAX_PACKED_BYTES,
  MiB,
  type PieceIntake,
  type Random,
  redactUrl,
  silentLogger,
} from '../core/index.ts';
import {
  type BodySpan,
  BulkClient,
  type BulkOptions,
  isRetryableError,
  type LargeBody,
  type ResponseHeaders,
  toRequestError,
} from '../http-body/index.ts';
import { fingerprint, type HeaderFields, privateHeaders } from './credentials.ts';
import { Patience } from './patience.ts';
import { type QuotaKey, RateBudgets } from './rate-budgets.ts';
import { isRedirect, MAX_REDIRECTS, redirectMethod, redirectTarget } from './redirect.ts';
import {
  askedWaitMs,
  defaultRetryLimits,
  header,
  isRetryableStatus,
  type RetryLimits,
} from './retry-policy.ts';

export interface OriginClientOptions extends Partial<RetryLimits> {
  /** Default `anax`. */
  readonly userAgent?: string;
  /** Default 16. Further requests wait their turn. */
  readonly maxConnectionsPerOrigin?: number;
  /** Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** From the request to the answer's head. Default 30,000. */
  readonly headersTimeoutMs?: number;
  /** Between two chunks of a body. Default 60,000. */
  readonly bodyTimeoutMs?: number;
  /** Bodies of so many bytes take a way of their own, see http-body/bulk-client.ts. Default 256 KiB; no such way through a proxy. */
  readonly bulkBytes?: number;
  /** Certificates (PEM) to trust beside the system's. Default none. */
  readonly extraCa?: readonly string[];
  /** Default: no proxy. The environment is not read here. */
  readonly proxy?: ProxyOptions;
}

/** As `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say it. */
export interface ProxyOptions {
  readonly httpUrl?: string;
  readonly httpsUrl?: string;
  readonly noProxy?: string;
}

export interface OriginClientDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  /** An origin asked to wait so long, or its quota is spent for so long. */
  readonly onThrottled?: (waitMs: number) => void;
  /** For large bodies. Default: they come in in this thread. */
  readonly bulkGet?: BulkGet;
}

/** Sends a GET whose answer is large. Throws as `BulkClient.get` does, or what that is as an AnaxError. */
export type BulkGet = (
  url: URL,
  headers: Readonly<Record<string, string>>,
  options: BulkOptions,
  signal: AbortSignal,
) => Promise<Omit<OriginResponse, 'url'>>;

type Method = 'GET' | 'HEAD' | 'POST';

export interface OriginRequest {
  readonly method: Method;
  readonly url: URL;
  /** Headers that any host may see: Range, Accept, … */
  readonly headers?: HeaderFields;
  readonly body?: string;
  /** Shown to `url`'s origin only. Default: none. */
  readonly credentials?: Credentials;
  /** More for `url`'s origin only, such as a cookie made from the token. */
  readonly privateHeaders?: HeaderFields;
  /** `stay` hands a redirect that leaves the origin back as it is. Default `follow`. */
  readonly redirect?: 'follow' | 'stay';
  /** Which of the origin's quotas it may count towards; see RateBudgets. */
  readonly requestClass?: string;
  /** Of the body that is hoped for. A large one takes a way of its own; its chunks are good until the next is asked for. */
  readonly expectedBytes?: number;
  readonly signal: AbortSignal;
}

export interface OriginResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Who answered, after redirects. */
  readonly url: URL;
  readonly body: OriginBody;
}

/** A body on its way. */
export interface OriginBody extends LargeBody {
  /** Present where the bytes come in in another thread: gathers a stretch of them there, instead of reading them here. */
  intake?(span: BodySpan, capacityBytes: number): PieceIntake;
}

/** One request on its way through redirects. */
interface Hop {
  readonly url: URL;
  readonly method: Method;
  readonly body: string | undefined;
  /** Still at the origin that may see the credentials. */
  readonly atHome: boolean;
}

/** Bytes of an unwanted body that are read so that its connection can be kept; a longer one costs the connection. */
const DISCARD_BYTES = 64 * 1024;

/** Of one body that its reader has not taken yet. With undici's own 64 KiB a read cost 1.47 CPU-s/GiB, with this 1.3. */
const BODY_BUFFER_BYTES = 1 * MiB;

const KEEP_ALIVE_MS = 30_000;

/** Files that are smaller travel in packs. */
const BULK_BYTES = MAX_PACKED_BYTES;

export class OriginClient {
  readonly #deps: OriginClientDeps;
  readonly #limits: RetryLimits;
  readonly #userAgent: string;
  readonly #dispatcher: Dispatcher;
  readonly #bulkClient = new BulkClient();
  readonly #bulkGet: BulkGet;
  /** Absent with a proxy, which undici speaks to. */
  readonly #bulk: BulkOptions | undefined;
  readonly #bulkBytes: number;
  readonly #budgets = new RateBudgets();
  #requestCount = 0;

  constructor(deps: OriginClientDeps, options: OriginClientOptions = {}) {
    this.#deps = deps;
    this.#limits = { ...defaultRetryLimits, ...definedOf(options) };
    this.#userAgent = options.userAgent ?? 'anax';
    this.#dispatcher = createDispatcher(options);
    this.#bulkGet = deps.bulkGet ?? ((...get) => this.#bulkClient.get(...get));
    this.#bulk = hasProxy(options) ? undefined : bulkOptions(options);
    this.#bulkBytes = options.bulkBytes ?? BULK_BYTES;
  }

  /** Requests sent so far, redirects and retries included. */
  get requestCount(): number {
    return this.#requestCount;
  }

  get clock(): Clock {
    return this.#deps.clock;
  }

  /** What a request and the reading of its answer may be retried with together. */
  patience(signal: AbortSignal): Patience {
    return new Patience({ clock: this.#deps.clock, random: this.#deps.random, limits: this.#limits, signal });
  }

  /**
   * Sends a request until there is an answer other than 408, 429 and 5xx, and follows its redirects. The caller must
   * read or discard the body. Throws `rate_limited`, `origin_unavailable`, `network_*`, `origin_tls`,
   * `origin_protocol`, and the signal's reason.
   */
  async send(request: OriginRequest, patience = this.patience(request.signal)): Promise<OriginResponse> {
    request.signal.throwIfAborted();
    let hop: Hop = { url: request.url, method: request.method, body: request.body, atHome: true };
    for (let redirects = 0; ; redirects += 1) {
      const response = await this.#answer(request, hop, patience);
      if (!isRedirect(response.status)) return response;
      const next = nextHop(request, hop, response);
      if (next === undefined) return response;
      await discard(response);
      if (redirects === MAX_REDIRECTS) {
        throw new AnaxError('origin_protocol', `${redactUrl(request.url.href)} redirects too often`);
      }
      hop = next;
    }
  }

  /** Closes kept connections; requests under way fail. Idempotent. */
  async close(): Promise<void> {
    this.#bulkClient.close();
    await this.#dispatcher.destroy();
  }

  async #answer(request: OriginRequest, hop: Hop, patience: Patience): Promise<OriginResponse> {
    const quota = quotaKey(request, hop);
    for (;;) {
      const spentMs = this.#budgets.take(quota, this.#deps.clock.now());
      if (spentMs > 0) this.#deps.onThrottled?.(spentMs);
      await patience.holdBack(spentMs, hop.url.host);
      const outcome = await this.#attempt(request, hop);
      if (outcome instanceof AnaxError) {
        if (!isRetryableError(outcome)) throw outcome;
        this.#logRetry(hop, outcome.code);
        await patience.retryAfter(outcome);
        continue;
      }
      const nowMs = this.#deps.clock.now();
      this.#budgets.observe(quota, outcome.status, outcome.headers, nowMs);
      if (!isRetryableStatus(outcome.status)) return outcome;
      await discard(outcome);
      this.#logRetry(hop, String(outcome.status));
      const askedMs = askedWaitMs(outcome.headers, nowMs);
      if (askedMs !== undefined) this.#deps.onThrottled?.(askedMs);
      await patience.retryAfter(refusal(outcome), askedMs);
    }
  }

  async #attempt(request: OriginRequest, hop: Hop): Promise<OriginResponse | AnaxError> {
    this.#requestCount += 1;
    try {
      const bulk = await this.#attemptBulk(request, hop);
      if (bulk) return { ...bulk, url: hop.url };
      const { statusCode, headers, body } = await send(hop.url, {
        dispatcher: this.#dispatcher,
        method: hop.method,
        headers: this.#headers(request, hop),
        body: hop.body ?? null,
        highWaterMark: BODY_BUFFER_BYTES,
        signal: request.signal,
      });
      // Errors reach who reads the body; without a listener, an unread one that is cut would end the process.
      body.on('error', () => undefined);
      return { status: statusCode, headers, url: hop.url, body };
    } catch (error) {
      return toRequestError(error, hop.url, request.signal);
    }
  }

  /** `undefined` where the request is not for a large body. */
  async #attemptBulk(request: OriginRequest, hop: Hop): Promise<Omit<OriginResponse, 'url'> | undefined> {
    const isBulk = hop.method === 'GET' && (request.expectedBytes ?? 0) >= this.#bulkBytes;
    if (!isBulk || !this.#bulk) return undefined;
    return await this.#bulkGet(hop.url, this.#headers(request, hop), this.#bulk, request.signal);
  }

  #headers(request: OriginRequest, hop: Hop): Record<string, string> {
    return {
      'user-agent': this.#userAgent,
      accept: '*/*',
      ...(hop.atHome ? privateHeaders(request.credentials ?? {}, request.privateHeaders) : {}),
      'accept-encoding': 'identity',
      ...request.headers,
      ...(hop.body === undefined ? {} : { 'content-type': 'application/json' }),
    };
  }

  #logRetry(hop: Hop, why: string): void {
    (this.#deps.logger ?? silentLogger).debug('origin request failed', { host: hop.url.host, why });
  }
}

function hasProxy({ proxy }: OriginClientOptions): boolean {
  return (proxy?.httpUrl ?? '') !== '' || (proxy?.httpsUrl ?? '') !== '';
}

function bulkOptions(options: OriginClientOptions): BulkOptions {
  const { connectTimeoutMs, headersTimeoutMs, bodyTimeoutMs } = timeouts(options);
  const ca = trustedCa(options);
  return { connectTimeoutMs, headersTimeoutMs, bodyTimeoutMs, ...(ca && { ca }) };
}

function timeouts(options: OriginClientOptions) {
  return {
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    headersTimeoutMs: options.headersTimeoutMs ?? 30_000,
    bodyTimeoutMs: options.bodyTimeoutMs ?? 60_000,
  };
}

/** `undefined`: Node's own. */
function trustedCa({ extraCa }: OriginClientOptions): string[] | undefined {
  return extraCa && [...getCACertificates('default'), ...extraCa];
}

function createDispatcher(options: OriginClientOptions): Dispatcher {
  const { connectTimeoutMs, headersTimeoutMs, bodyTimeoutMs } = timeouts(options);
  const ca = trustedCa(options);
  const common = {
    connections: options.maxConnectionsPerOrigin ?? 16,
    pipelining: 1,
    // One stream a connection: parallel ranges over one HTTP/2 connection share its window and its one core.
    allowH2: false,
    headersTimeout: headersTimeoutMs,
    bodyTimeout: bodyTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connect: {
      timeout: connectTimeoutMs,
      ...(ca && { ca }),
    },
  };
  if (options.proxy === undefined) return new Agent(common);
  const { httpUrl = '', httpsUrl = '', noProxy = '' } = options.proxy;
  return new EnvHttpProxyAgent({ ...common, httpProxy: httpUrl, httpsProxy: httpsUrl, noProxy });
}

function quotaKey(request: OriginRequest, hop: Hop): QuotaKey {
  return {
    origin: hop.url.origin,
    fingerprint: hop.atHome ? fingerprint(request.credentials ?? {}) : '',
    requestClass: request.requestClass ?? '',
  };
}

/** `undefined` where the redirect is the caller's to follow. */
function nextHop(request: OriginRequest, hop: Hop, response: OriginResponse): Hop | undefined {
  const url = redirectTarget(hop.url, header(response.headers, 'location'));
  const staysHome = hop.atHome && url.origin === request.url.origin;
  if (!staysHome && request.redirect === 'stay') return undefined;
  const method = redirectMethod(hop.method, response.status);
  return { url, method, body: method === 'POST' ? hop.body : undefined, atHome: staysHome };
}

function refusal(response: OriginResponse): AnaxError {
  const code = response.status === 429 ? 'rate_limited' : 'origin_unavailable';
  return new AnaxError(code, `${response.url.host} answered ${response.status}`, {
    details: { url: redactUrl(response.url.href), status: response.status },
  });
}

/** Reads what little is left of an unwanted body, or closes its connection. Never throws. */
export async function discard(response: OriginResponse): Promise<void> {
  try {
    await response.body.dump({ limit: DISCARD_BYTES });
  } catch {
    // The answer was not wanted; that its rest is lost changes nothing.
  }
}

/** Closes an answer at once, whatever is left of it: for large bodies that turned out wrong. */
export function drop(response: OriginResponse): void {
  response.body.destroy();
}

function definedOf(options: Partial<RetryLimits>): Partial<RetryLimits> {
  const names = Object.keys(defaultRetryLimits) as (keyof RetryLimits)[];
  return Object.fromEntries(names.filter((n) => options[n] !== undefined).map((n) => [n, options[n]]));
}
