/**
 * The front door of an emulated Hugging Face hub: quota, route, access, then the answer; and the headers that
 * every answer carries.
 */
import { randomUUID } from 'node:crypto';
import type { Cdn } from './cdn.ts';
import { hfApi, whoami } from './hf-api.ts';
import { badRequest, routeNotFound, tooManyRequests } from './hf-errors.ts';
import type { Caller, HfRepos } from './hf-repos.ts';
import { hfResolve } from './hf-resolve.ts';
import { type HfRoute, parseHfRoute, type RepoRoute } from './hf-routes.ts';
import { type Allowance, bucketOf, type RateLimits, rateLimitHeaders } from './rate-limits.ts';
import { type HubRequest, type Reply, redirectReply, withHeaders } from './reply.ts';

export interface HfAnswerOptions {
  /** Whether 429 carries Retry-After besides RateLimit. Default false. */
  readonly retryAfter?: boolean;
  /** Entries a page of the tree. Default 1,000, and 100 with `expand`. */
  readonly pageSize?: number;
  /** What `bytes=0-0` of an empty file gets. Default 416 (the real hub's answer is not known). */
  readonly emptyRange?: '416' | '200';
  /** Default true: small text is compressed for who accepts it, with no length and no ranges. */
  readonly gzipText?: boolean;
  /** `topic; message` of an X-HF-Warning header on every answer. Default: none. */
  readonly warning?: string;
}

export interface HfRouterDeps {
  readonly repos: HfRepos;
  readonly cdn: Cdn;
  readonly limits: RateLimits;
  readonly clock: () => number;
  readonly hubUrl: string;
  readonly cdnUrl: string;
}

export class HfRouter {
  readonly #deps: HfRouterDeps;
  readonly #options: HfAnswerOptions;

  constructor(deps: HfRouterDeps, options: HfAnswerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async handle(request: HubRequest): Promise<Reply> {
    const { limits, repos, clock } = this.#deps;
    const caller = repos.caller(request.headers.authorization);
    const token = caller.kind === 'token' ? caller.token : undefined;
    const allowance = limits.spend(
      bucketOf(request.rawPath),
      { token, address: request.remoteAddress },
      clock(),
    );
    const reply = allowance.exceeded ? this.#overQuota(allowance) : await this.#route(request, caller);
    return withHeaders(reply, {
      ...rateLimitHeaders(allowance),
      'x-request-id': `Root=${randomUUID()}`,
      ...(this.#options.warning ? { 'x-hf-warning': this.#options.warning } : {}),
    });
  }

  #overQuota(allowance: Allowance): Reply {
    const retryAfter = this.#options.retryAfter ? { 'retry-after': String(allowance.resetSeconds) } : {};
    return withHeaders(tooManyRequests(), retryAfter);
  }

  async #route(request: HubRequest, caller: Caller): Promise<Reply> {
    let route: HfRoute;
    try {
      route = parseHfRoute(request.rawPath);
      decodeURIComponent(request.rawPath);
    } catch {
      return badRequest('Malformed URL');
    }
    if (route.kind === 'whoami') return whoami(caller);
    if (route.kind === 'unknown' || !isAllowed(request.method, route)) return routeNotFound();
    return this.#repoRoute(request, route, caller);
  }

  #repoRoute(request: HubRequest, route: RepoRoute, caller: Caller): Reply | Promise<Reply> {
    const isFile = ['resolve', 'raw', 'resolve-cache'].includes(route.verb);
    const purpose =
      isFile || route.verb === 'auth-check' || route.verb === 'xet-read-token' ? 'content' : 'metadata';
    const { repos, cdn, clock, hubUrl, cdnUrl } = this.#deps;
    const found = repos.lookup(route.type, route.id, caller, purpose);
    if (found.kind === 'refused') return found.reply;
    if (found.kind === 'moved') {
      const query = request.rawQuery === '' ? '' : `?${request.rawQuery}`;
      return redirectReply(307, route.pathFor(found.id) + query);
    }
    const { hosted } = found;
    const { emptyRange = '416', gzipText = true, pageSize } = this.#options;
    if (isFile) return hfResolve({ request, route, hosted, cdn, hubUrl, cdnUrl, emptyRange, gzipText });
    return hfApi({ request, route, hosted, hubUrl, nowMs: clock(), pageSize });
  }
}

function isAllowed(method: string, route: RepoRoute): boolean {
  return method === 'GET' || method === 'HEAD' || (method === 'POST' && route.verb === 'paths-info');
}
