// When to ping, and when to give a link up. Pure: the link calls `check` on a timer with what it knows.
//
// A link that is not reading (its pool is empty, or its rate is used up) hears nothing and must not take that for
// silence of the remote; but it must go on pinging, so that the remote hears something.

import type { LinkLimits } from './limits.ts';

export interface LinkActivity {
  readonly nowMs: number;
  readonly lastReadAtMs: number;
  readonly lastWriteAtMs: number;
  /** Whether we read at the moment. */
  readonly reading: boolean;
  /** How long the write under way has been waiting, and how long nothing of it was taken; 0 for none. */
  readonly writingForMs: number;
  readonly stalledForMs: number;
  /** When the piece under way last got a chunk; undefined where none is. */
  readonly lastChunkAtMs: number | undefined;
  /** Whether others wait for a buffer to send from, or to receive into. */
  readonly sendersWait: boolean;
  readonly receiversWait: boolean;
}

export type KeepaliveStep =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'ping' }
  | { readonly kind: 'dead'; readonly code: 'timeout' | 'slow'; readonly why: string };

export class Keepalive {
  readonly #limits: LinkLimits;
  #lastPingAtMs = -Infinity;

  constructor(limits: LinkLimits) {
    this.#limits = limits;
  }

  /** How often to check: the limits are kept to within a fifth of the shortest. */
  get intervalMs(): number {
    const { pingAfterMs, deadAfterMs, writeStallMs, pieceStallMs, scarceStallMs, stalledAfterMs } =
      this.#limits;
    const shortest = Math.min(pingAfterMs, deadAfterMs, writeStallMs, pieceStallMs, scarceStallMs) / 5;
    return Math.max(1, Math.min(shortest, stalledAfterMs / 2));
  }

  check(activity: LinkActivity): KeepaliveStep {
    const dead = this.#verdict(activity);
    if (dead) return dead;
    const { nowMs, lastReadAtMs, lastWriteAtMs } = activity;
    const { pingAfterMs } = this.#limits;
    const silentMs = nowMs - Math.min(lastReadAtMs, lastWriteAtMs);
    if (silentMs < pingAfterMs || nowMs - this.#lastPingAtMs < pingAfterMs) return { kind: 'nothing' };
    this.#lastPingAtMs = nowMs;
    return { kind: 'ping' };
  }

  #verdict(activity: LinkActivity): KeepaliveStep | undefined {
    const { nowMs, lastReadAtMs, reading, writingForMs, stalledForMs, lastChunkAtMs } = activity;
    const { deadAfterMs, writeTimeoutMs, writeStallMs, pieceStallMs, scarceStallMs } = this.#limits;
    const writeMs = activity.sendersWait ? Math.min(writeStallMs, scarceStallMs) : writeStallMs;
    const pieceMs = activity.receiversWait ? Math.min(pieceStallMs, scarceStallMs) : pieceStallMs;
    if (stalledForMs >= writeMs) return slow('the remote takes nothing');
    if (writingForMs >= writeTimeoutMs) return slow('the remote takes next to nothing');
    if (!reading) return undefined;
    if (nowMs - lastReadAtMs >= deadAfterMs) {
      return { kind: 'dead', code: 'timeout', why: 'the remote is silent' };
    }
    if (lastChunkAtMs !== undefined && nowMs - lastChunkAtMs >= pieceMs) {
      return slow('a piece was begun and does not go on');
    }
    return undefined;
  }
}

function slow(why: string): KeepaliveStep {
  return { kind: 'dead', code: 'slow', why };
}
