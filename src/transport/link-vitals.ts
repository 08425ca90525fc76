// Whether a link is alive: the time that the remote has for its hello, pings, and the verdict on silence and stalls.

import { AnaxError } from '../core/index.ts';
import { Keepalive, type LinkActivity } from './keepalive.ts';
import type { LinkLimits } from './limits.ts';
import { LinkFault } from './link-end.ts';
import { FIRST_PROBE_TOKEN } from './send-window.ts';

export interface LinkVitalsOptions {
  readonly limits: LinkLimits;
  readonly host: string;
  readonly activity: (nowMs: number) => LinkActivity;
  readonly ping: (token: number) => void;
  /** A write was not taken for a while. Called each time that this is found. */
  readonly onStalled: () => void;
  readonly onDead: (fault: LinkFault) => void;
}

export class LinkVitals {
  readonly #options: LinkVitalsOptions;
  readonly #keepalive: Keepalive;
  readonly #helloTimer: NodeJS.Timeout;
  readonly #timer: NodeJS.Timeout;
  #isReady = false;
  #token = 0;
  #sentAtMs = 0;
  /** Of the last answered ping. */
  rttMs: number | undefined;

  constructor(options: LinkVitalsOptions) {
    this.#options = options;
    this.#keepalive = new Keepalive(options.limits);
    this.#helloTimer = setTimeout(() => this.#helloOverdue(), options.limits.helloTimeoutMs);
    this.#timer = setInterval(() => this.#check(), this.#keepalive.intervalMs);
    this.#timer.unref();
  }

  /** The remote's hello came. */
  ready(): void {
    this.#isReady = true;
    clearTimeout(this.#helloTimer);
  }

  pong(token: number): void {
    if (token === this.#token) this.rttMs = performance.now() - this.#sentAtMs;
  }

  #helloOverdue(): void {
    const error = new AnaxError('network_timeout', `no hello from ${this.#options.host}`);
    this.#options.onDead(new LinkFault('timeout', error));
  }

  #check(): void {
    const { limits, activity, onStalled, onDead, ping } = this.#options;
    const nowMs = performance.now();
    const now = activity(nowMs);
    if (now.stalledForMs >= limits.stalledAfterMs) onStalled();
    const step = this.#keepalive.check(now);
    if (step.kind === 'dead') {
      onDead(new LinkFault(step.code, new AnaxError('network_timeout', step.why)));
    } else if (step.kind === 'ping' && this.#isReady) {
      this.#token = (this.#token + 1) % FIRST_PROBE_TOKEN;
      this.#sentAtMs = nowMs;
      ping(this.#token);
    }
  }

  stop(): void {
    clearTimeout(this.#helloTimer);
    clearInterval(this.#timer);
  }
}
