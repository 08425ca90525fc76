// How much may be on its way to the remote that it has not taken yet. The kernel's own buffers take megabytes at once,
// whatever the link's rate: what is in them can't be withdrawn any more, delays what comes after it, and counts as sent
// long before it is. (Measured with 8 peers at 40 Mbit/s: a delivery took 28 s without the window, 20 s with it.)
//
// The sender puts a ping behind what it writes; the pong says that the remote has read so far. The window grows while
// pongs come soon and shrinks when they are late, against the soonest that ever came, so that a long path is not taken
// for a queue. Pure: time comes in as an argument.

import { KiB, MiB } from '../core/index.ts';

/** Less would wait for the event loops of both ends. */
export const MIN_WINDOW_BYTES = 256 * KiB;
const FIRST_WINDOW_BYTES = 512 * KiB;
/** 10 Gbit/s for 7 ms. */
const MAX_WINDOW_BYTES = 8 * MiB;
/** What is queued on the way, as time: under it the window grows, above it it shrinks. */
const SHORT_QUEUE_MS = 20;
const LONG_QUEUE_MS = 80;
/** A window is written in so many steps, with a ping behind each; but smaller steps cost more than they are worth. */
const STEPS = 4;
const MIN_STEP_BYTES = 128 * KiB;

/** Tokens of these pings; those of the keepalive are below. */
export const FIRST_PROBE_TOKEN = 2 ** 31;

interface Probe {
  readonly token: number;
  /** Bytes written up to it. */
  readonly atBytes: number;
  readonly atMs: number;
  /** The window was nearly used up when it was sent: it may be what limits. */
  readonly wasFull: boolean;
}

export class SendWindow {
  #windowBytes = FIRST_WINDOW_BYTES;
  #sentBytes = 0;
  #takenBytes = 0;
  #probes: Probe[] = [];
  #probedBytes = 0;
  #nextToken = FIRST_PROBE_TOKEN;
  #soonestMs = Number.POSITIVE_INFINITY;
  #shrunkAtMs = Number.NEGATIVE_INFINITY;

  get windowBytes(): number {
    return this.#windowBytes;
  }

  /** Whether the next step may be written. */
  get hasRoom(): boolean {
    return this.#sentBytes - this.#takenBytes < this.#windowBytes;
  }

  /** Whether the remote has read all that was written. */
  get isEmpty(): boolean {
    return this.#sentBytes === this.#takenBytes;
  }

  /** How much to write at once, at most. A power of two, so that the buffers of steps are of few sizes. */
  get stepBytes(): number {
    return Math.max(MIN_STEP_BYTES, 2 ** Math.floor(Math.log2(this.#windowBytes / STEPS)));
  }

  /** Notes that bytes are about to be written; the token of the ping to put behind them, where one is due. */
  wrote(bytes: number, nowMs: number): number | undefined {
    const isDue = this.#sentBytes + bytes - this.#probedBytes >= this.stepBytes;
    if (isDue) return this.probed(bytes, nowMs);
    this.#sentBytes += bytes;
    return undefined;
  }

  /** The same, with a ping in any case. */
  probed(bytes: number, nowMs: number): number {
    this.#sentBytes += bytes;
    const token = this.#nextToken;
    this.#nextToken = token + 1 < 2 ** 32 ? token + 1 : FIRST_PROBE_TOKEN;
    this.#probedBytes = this.#sentBytes;
    const wasFull = this.#sentBytes - this.#takenBytes > this.#windowBytes / 2;
    this.#probes.push({ token, atBytes: this.#sentBytes, atMs: nowMs, wasFull });
    return token;
  }

  /** A pong came. One that answers no ping is ignored. */
  taken(token: number, nowMs: number): void {
    const at = this.#probes.findIndex((probe) => probe.token === token);
    const probe = this.#probes[at];
    if (!probe) return;
    this.#probes = this.#probes.slice(at + 1);
    const bytes = probe.atBytes - this.#takenBytes;
    this.#takenBytes = probe.atBytes;
    const tookMs = nowMs - probe.atMs;
    this.#soonestMs = Math.min(this.#soonestMs, tookMs);
    this.#adjust(probe, bytes, tookMs - this.#soonestMs, nowMs);
  }

  #adjust(probe: Probe, bytes: number, queuedMs: number, nowMs: number): void {
    if (queuedMs < SHORT_QUEUE_MS) {
      if (probe.wasFull) this.#windowBytes = Math.min(MAX_WINDOW_BYTES, this.#windowBytes + bytes);
    } else if (queuedMs > LONG_QUEUE_MS && probe.atMs >= this.#shrunkAtMs) {
      // Once for what was on its way: later pings of the same queue say nothing new.
      const factor = Math.max(0.5, LONG_QUEUE_MS / queuedMs);
      this.#windowBytes = Math.max(MIN_WINDOW_BYTES, Math.floor(this.#windowBytes * factor));
      this.#shrunkAtMs = nowMs;
    }
  }
}
