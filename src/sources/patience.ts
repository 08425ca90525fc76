// How much longer one request may be retried: counts attempts and waits, sleeps in between, and turns the end of it
// into an error that says so. One per request, over all its redirects.

import { AnaxError, type Clock, type Random } from '../core/index.ts';
import { decideRetry, type RetryLimits } from './retry-policy.ts';

export interface PatienceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: RetryLimits;
  readonly signal: AbortSignal;
}

export class Patience {
  readonly #deps: PatienceDeps;
  #attempts = 0;
  #waitedMs = 0;

  constructor(deps: PatienceDeps) {
    this.#deps = deps;
  }

  /**
   * After a failed attempt: waits before the next, or throws `error` where there is no next. `askedMs` is what the
   * origin asked for.
   */
  async retryAfter(error: AnaxError, askedMs?: number): Promise<void> {
    this.#attempts += 1;
    const { limits, random } = this.#deps;
    const state = { attempts: this.#attempts, waitedMs: this.#waitedMs };
    const verdict = decideRetry(state, askedMs, limits, random);
    if (verdict.kind === 'stop') throw this.#ended(error, verdict.why, askedMs ?? 0);
    await this.#sleep(verdict.waitMs);
  }

  /** Before an attempt, where a quota is known to be spent. Throws `rate_limited` where that is too long. */
  async holdBack(waitMs: number, host: string): Promise<void> {
    if (waitMs <= 0) return;
    if (this.#waitedMs + waitMs > this.#deps.limits.maxRetryWaitMs) {
      throw this.#ended(new AnaxError('rate_limited', host), 'wait', waitMs);
    }
    await this.#sleep(waitMs);
  }

  async #sleep(ms: number): Promise<void> {
    this.#waitedMs += ms;
    await this.#deps.clock.sleep(ms, this.#deps.signal);
  }

  #triedText(): string {
    return this.#attempts === 1 ? '1 attempt' : `${this.#attempts} attempts`;
  }

  /** What the limit on waiting ended: a wait that the origin asked for, or our own. */
  #waitText(askedMs: number): string {
    const limit = `the limit is ${seconds(this.#deps.limits.maxRetryWaitMs)}`;
    const waited = this.#waitedMs === 0 ? '' : `${seconds(this.#waitedMs)} of waiting`;
    if (askedMs > 0) return `it asks to wait ${seconds(askedMs)}${waited && `, after ${waited}`}; ${limit}`;
    return `after ${this.#triedText()}${waited && ` and ${waited}`}; ${limit}`;
  }

  #ended(error: AnaxError, why: 'attempts' | 'wait', askedMs: number): AnaxError {
    const text = why === 'attempts' ? `after ${this.#triedText()}` : this.#waitText(askedMs);
    return new AnaxError(error.code, `${withoutPrefix(error)}; ${text}`, {
      cause: error.cause,
      details: { ...error.details, attempts: this.#attempts },
      hint: error.hint,
      ...(askedMs > 0 ? { retryAfterMs: askedMs } : {}),
    });
  }
}

function withoutPrefix(error: AnaxError): string {
  const prefix = `${error.kind.message}: `;
  return error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
