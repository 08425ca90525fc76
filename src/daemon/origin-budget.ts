// What this host may ask of each origin: its part of what the cluster may, as the scheduler last said. Without a word
// from the scheduler there is no limit; without the scheduler the last word stands.

import { abortable, type Clock } from '../core/index.ts';
import type { OriginWait } from '../rpc/index.ts';
import type { OriginShare } from '../scheduler-server/index.ts';
import { ByteRate } from '../transport/index.ts';
import { nanoseconds, pace } from './pace.ts';

/** Who waits for a time looks again so often: the share may change meanwhile. */
const LOOK_MS = 1_000;
const MINUTE_MS = 60_000;
/** Origins that shares are remembered of. */
const MAX_ORIGINS = 1_000;

export class OriginBudget {
  readonly #clock: Clock;
  readonly #rate = new ByteRate();
  #connections = Number.POSITIVE_INFINITY;
  #requestsPerMinute = Number.POSITIVE_INFINITY;
  #running = 0;
  #changed = Promise.withResolvers<void>();
  #pausedUntilMs = -Infinity;
  #nextRequestAtMs = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set({ connections, bytesPerSecond, requestsPerMinute, pauseMs }: OriginShare): void {
    const nowMs = this.#clock.now();
    this.#connections = connections ?? Number.POSITIVE_INFINITY;
    this.#requestsPerMinute = requestsPerMinute ?? Number.POSITIVE_INFINITY;
    this.#nextRequestAtMs = Math.min(this.#nextRequestAtMs, nowMs + MINUTE_MS / this.#requestsPerMinute);
    this.#rate.set(bytesPerSecond, nanoseconds(this.#clock));
    this.#pausedUntilMs = nowMs + pauseMs;
    this.#change();
  }

  /** How long the origin still wants to be left alone; 0 where it does not. */
  get pauseMs(): number {
    return Math.max(0, this.#pausedUntilMs - this.#clock.now());
  }

  /** Waits for leave to send a request for content; call what it returns when the answer has ended. */
  async begin(signal: AbortSignal): Promise<() => void> {
    for (let waitMs = this.#waitMs(); waitMs > 0; waitMs = this.#waitMs()) {
      if (waitMs === Number.POSITIVE_INFINITY) await abortable(this.#changed.promise, signal);
      else await this.#clock.sleep(Math.min(waitMs, LOOK_MS), signal);
    }
    this.#running += 1;
    this.#nextRequestAtMs = this.#clock.now() + MINUTE_MS / this.#requestsPerMinute;
    return () => {
      this.#running -= 1;
      this.#change();
    };
  }

  /** Infinity where it depends on others. */
  #waitMs(): number {
    if (this.#running >= this.#connections) return Number.POSITIVE_INFINITY;
    return Math.max(0, Math.max(this.#pausedUntilMs, this.#nextRequestAtMs) - this.#clock.now());
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Waits until bytes that were taken fit the rate. */
  async pace(bytes: number, signal: AbortSignal): Promise<void> {
    await pace(this.#rate, this.#clock, bytes, signal);
  }
}

export class OriginBudgets {
  readonly #clock: Clock;
  readonly #budgets = new Map<string, OriginBudget>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(origin: string): OriginBudget {
    const budget = this.#budgets.get(origin) ?? new OriginBudget(this.#clock);
    this.#budgets.delete(origin);
    this.#budgets.set(origin, budget);
    const [oldest] = this.#budgets.keys();
    if (this.#budgets.size > MAX_ORIGINS && oldest !== undefined) this.#budgets.delete(oldest);
    return budget;
  }

  /** The origins that asked the cluster to wait, and how long it still takes. */
  waits(): readonly OriginWait[] {
    return [...this.#budgets]
      .map(([origin, { pauseMs }]) => ({ origin, waitMs: pauseMs }))
      .filter(({ waitMs }) => waitMs > 0);
  }
}

/** The name of an origin in the cluster: its host. Empty for what has none, such as a local folder. */
export function originOf(endpoint: string): string {
  return URL.canParse(endpoint) ? new URL(endpoint).host : '';
}
