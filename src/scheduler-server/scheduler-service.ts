// The shell around the scheduler machine: carries its effects out to the streams of the peers, ticks it, answers Status.
// Knows nothing of sockets: a router is given the service (start-scheduler.ts).
//
// Invariants: a peer has one stream, the newest; the machine hears `gone` of a peer exactly when its newest
// stream ends. Whatever a peer sends, at most its own stream ends by it.

import type { ServiceImpl } from '@connectrpc/connect';
import {
  AnaxError,
  type Clock,
  type Identity,
  isAbortError,
  type Logger,
  type PeerId,
  type PeerInfo,
  toErrorRecord,
} from '../core/index.ts';
import type { AttendRequest, Scheduler } from '../rpc/index.ts';
import {
  createSchedulerState,
  hasPeer,
  isPeerCondemned,
  type SchedulerEvent,
  type SchedulerLimits,
  type SchedulerState,
  step,
} from '../scheduler/index.ts';
import { Attendance, type AttendanceHandler } from './attendance.ts';
import { type ResponseInit, toEvent, toResponse } from './server-messages.ts';
import { schedulerStatus } from './status.ts';

export interface SchedulerServiceOptions {
  /** Signs the reader grants. Should survive restarts: then what was read before is trusted after. */
  readonly identity: Identity;
  readonly logger: Logger;
  readonly clock: Clock;
  /** How often the machine looks at what is due. Default 1 s. */
  readonly tickMs?: number;
  readonly limits?: Partial<SchedulerLimits>;
  /** Shown in Status. */
  readonly version?: string;
}

/**
 * A scheduler can't know whether it had a predecessor. For so long after its start it grants nothing even for swarms that
 * look fresh: returning peers reconnect within 5 s, and the first of many comes at once.
 */
const START_SETTLE_MS = 2_000;

/** A peer that is silent for `peerTtlMs` is gone, so three keepalives may get lost. */
const KEEPALIVES_PER_TTL = 3;

/** Streams that may be open without or beyond the peers that the machine takes. */
const SPARE_STREAMS = 1_000;

export class SchedulerService implements AttendanceHandler {
  readonly #options: SchedulerServiceOptions;
  readonly #state: SchedulerState;
  readonly #attendances = new Map<PeerId, Attendance>();
  readonly #streams = new Set<Attendance>();
  readonly #stopping = new AbortController();
  readonly #startedAtMs: number;
  #ticking: Promise<void> | undefined;

  constructor(options: SchedulerServiceOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.now();
    const epochBase = Math.floor(this.#startedAtMs);
    this.#state = createSchedulerState({
      rngSeed: epochBase,
      limits: { startSettleMs: START_SETTLE_MS, ...options.limits },
      epochBase,
    });
  }

  /** For a Connect router. */
  get implementation(): ServiceImpl<typeof Scheduler> {
    return {
      attend: (requests, context) => this.#attend(requests, context.signal),
      status: () => schedulerStatus(this.#state, this.#options, this.#startedAtMs),
    };
  }

  /** Starts the time of the machine: from now on it counts how long it has been there. */
  start(): void {
    this.#feed({ kind: 'tick' });
    this.#ticking ??= this.#tick();
  }

  /** Ends all streams. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const error = new AnaxError('scheduler_unavailable', 'it is being stopped');
    for (const attendance of this.#streams) attendance.outbox.fail(error);
    await this.#ticking;
  }

  announced(attendance: Attendance, peer: PeerInfo, returning: boolean): void {
    const correction = attendance.peer !== undefined;
    attendance.peer = peer;
    const former = this.#attendances.get(peer.id);
    this.#attendances.set(peer.id, attendance);
    if (former && former !== attendance) {
      former.outbox.fail(new AnaxError('identity_in_use', `${peer.id} attends from ${peer.hostname} now`));
    }
    if (!correction) attendance.send(this.#welcome());
    this.#feed({ kind: 'announce', peer, returning, correction });
    if (!hasPeer(this.#state, peer.id)) throw new AnaxError('limit_exceeded', 'too many peers');
    this.#options.logger.debug('peer attends', { peer: peer.id, returning, correction });
  }

  received(attendance: Attendance, request: AttendRequest): void {
    const { peer } = attendance;
    if (!peer || this.#attendances.get(peer.id) !== attendance) return;
    const isGoodbye = request.message.case === 'goodbye';
    if (isGoodbye) this.#attendances.delete(peer.id);
    this.#feed(toEvent(peer.id, request, this.#options.identity.publicKey));
    if (isGoodbye) attendance.outbox.end();
  }

  ended(attendance: Attendance): void {
    const { peer } = attendance;
    if (!peer || this.#attendances.get(peer.id) !== attendance) return;
    this.#attendances.delete(peer.id);
    this.#feed({ kind: 'gone', peer: peer.id });
    this.#options.logger.debug('peer is gone', { peer: peer.id });
  }

  async *#attend(requests: AsyncIterable<AttendRequest>, signal: AbortSignal): AsyncGenerator<ResponseInit> {
    this.#checkRoom();
    const attendance = new Attendance(this, this.#options.clock);
    this.#streams.add(attendance);
    try {
      yield* attendance.run(requests, signal);
    } finally {
      this.#streams.delete(attendance);
    }
  }

  #checkRoom(): void {
    if (this.#stopping.signal.aborted) throw new AnaxError('scheduler_unavailable', 'it is being stopped');
    if (this.#streams.size < this.#state.limits.peers + SPARE_STREAMS) return;
    throw new AnaxError('limit_exceeded', `the scheduler has ${this.#streams.size} streams`);
  }

  #feed(event: SchedulerEvent): void {
    for (const effect of step(this.#state, event, this.#options.clock.now())) {
      const attendance = this.#attendances.get(effect.to);
      if (attendance?.peer) attendance.send(toResponse(effect, attendance.peer, this.#options.identity));
      if (effect.kind === 'lease') {
        const { to, snapshot, epoch } = effect;
        this.#options.logger.info('origin lease granted', { peer: to, snapshot, epoch });
      } else if (effect.kind === 'swarmFailed') {
        const { to, snapshot, error } = effect;
        this.#options.logger.warn('swarm failed', { peer: to, snapshot, code: error.code });
      }
    }
    if (event.kind === 'suspect') this.#logSuspect(event);
  }

  #logSuspect({ peer: by, suspect: peer, snapshot }: Extract<SchedulerEvent, { kind: 'suspect' }>): void {
    const isCondemned = isPeerCondemned(this.#state, peer, this.#options.clock.now());
    this.#options.logger.warn(isCondemned ? 'peer condemned' : 'peer suspected', { peer, by, snapshot });
  }

  #welcome(): ResponseInit {
    const { id, publicKey } = this.#options.identity;
    const schedulerPublicKey = Uint8Array.from(publicKey);
    const value = { schedulerPublicKey, schedulerId: id, keepaliveMs: this.#keepaliveMs };
    return { message: { case: 'welcome', value } };
  }

  get #keepaliveMs(): number {
    return Math.max(1, Math.floor(this.#state.limits.peerTtlMs / KEEPALIVES_PER_TTL));
  }

  async #tick(): Promise<void> {
    const { clock, tickMs = 1_000, logger } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await clock.sleep(tickMs, signal);
        this.#feed({ kind: 'tick' });
        this.#dropSilent();
        this.#keepAlive(clock.now());
      } catch (error) {
        // A bug in the machine ends a tick, never the scheduler.
        if (!isAbortError(error)) logger.error('a tick failed', { error: toErrorRecord(error) });
      }
    }
  }

  /** Who was silent for too long has left all swarms; when it comes back it must announce itself. */
  #dropSilent(): void {
    for (const [id, attendance] of this.#attendances) {
      if (!hasPeer(this.#state, id)) attendance.outbox.fail(new AnaxError('timeout', 'no keepalive'));
    }
  }

  #keepAlive(nowMs: number): void {
    for (const attendance of this.#attendances.values()) {
      if (nowMs - attendance.lastSentMs < this.#keepaliveMs) continue;
      attendance.send({ message: { case: 'keepalive', value: {} } });
    }
  }
}
