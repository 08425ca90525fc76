// The link to a scheduler elsewhere. It keeps one attendance stream, and makes a new one when it breaks: after 0–200 ms
// at first, up to 0–5 s later (full jitter, so that a thousand daemons don't come back at once). Each stream has a
// connection of its own: what the kernel sends again on one that was cut off comes ever more seldom, so that the old one
// would stay silent for as long again after the network is whole.
//
// Invariants: on each connection the scheduler hears announce, then a join of every current swarm, before anything
// else; nothing that was said on an old stream is said on a new one; messages of an old stream don't arrive after
// `disconnected`.

import {
  type AnaxError,
  type BlobKey,
  type Clock,
  hasCode,
  isAbortError,
  type Logger,
  type PeerId,
  type PeerInfo,
  type Random,
  toAnaxError,
} from '../core/index.ts';
import { type AttendRequestInit, createSchedulerClient, peerToWire } from '../rpc/index.ts';
import type { FoundBlob } from '../scheduler/index.ts';
import { joinRequest, toRequest } from './client-messages.ts';
import { RemoteQuestions } from './remote-questions.ts';
import type {
  JoinFacts,
  SchedulerLink,
  SchedulerMessage,
  SchedulerMessageHandler,
  Statement,
} from './scheduler-link.ts';
import { SchedulerStream } from './scheduler-stream.ts';
import { keysToWire } from './wire-keys.ts';

export interface ConnectSchedulerOptions {
  /** `http://host:port`. */
  readonly url: string;
  readonly self: PeerInfo;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** The swarms that this host takes part in, as they are now; asked on each connection. */
  readonly rejoin: () => readonly JoinFacts[];
}

const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 5_000;
/** Two hosts with one identity would take its place from each other without end. */
const IN_USE_PAUSE_MS = 30_000;

export function connectScheduler(options: ConnectSchedulerOptions): SchedulerLink {
  return new RemoteScheduler(options);
}

class RemoteScheduler implements SchedulerLink {
  readonly #options: ConnectSchedulerOptions;
  readonly #locates: RemoteQuestions<PeerInfo>;
  readonly #searches: RemoteQuestions<readonly FoundBlob[]>;
  readonly #stopping = new AbortController();
  #self: PeerInfo;
  #handler: SchedulerMessageHandler = () => {};
  #running: Promise<void> | undefined;
  /** The stream that was welcomed and lives. */
  #stream: SchedulerStream | undefined;
  #schedulerKey: Uint8Array | undefined;
  /** Why it is not tried to attend for a while. */
  #refusal: AnaxError | undefined;

  constructor(options: ConnectSchedulerOptions) {
    this.#options = options;
    this.#self = options.self;
    this.#locates = new RemoteQuestions(options.clock);
    this.#searches = new RemoteQuestions(options.clock);
  }

  get schedulerKey(): Uint8Array | undefined {
    return this.#schedulerKey;
  }

  get connected(): boolean {
    return this.#stream !== undefined;
  }

  onMessage(handler: SchedulerMessageHandler): void {
    this.#handler = handler;
  }

  async start(): Promise<void> {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  announce(self: PeerInfo): void {
    this.#self = self;
    this.#send(this.#announcement());
  }

  join(facts: JoinFacts): void {
    this.#send(joinRequest(facts));
  }

  tell(statement: Statement): void {
    this.#send(toRequest(statement));
  }

  locate(refKey: string, exclude: readonly PeerId[], signal: AbortSignal): Promise<PeerInfo> {
    const toLocate = (requestId: number): AttendRequestInit => ({
      message: { case: 'locate', value: { requestId, refKey, excludePeerIds: [...exclude] } },
    });
    return this.#ask(this.#locates, toLocate, signal);
  }

  findBlobs(keys: readonly BlobKey[], signal: AbortSignal): Promise<readonly FoundBlob[]> {
    const toSearch = (requestId: number): AttendRequestInit => ({
      message: { case: 'findBlobs', value: { requestId, keys: keysToWire(keys) } },
    });
    return this.#ask(this.#searches, toSearch, signal);
  }

  #ask<Answer>(
    questions: RemoteQuestions<Answer>,
    toRequest: (requestId: number) => AttendRequestInit,
    signal: AbortSignal,
  ): Promise<Answer> {
    if (this.#refusal) return Promise.reject(this.#refusal);
    const either = AbortSignal.any([signal, this.#stopping.signal]);
    return questions.ask(toRequest, either, (request) => this.#send(request));
  }

  #send(request: AttendRequestInit): void {
    this.#stream?.send(request);
  }

  #announcement(): AttendRequestInit {
    const returning = this.#schedulerKey !== undefined;
    return { message: { case: 'announce', value: { peer: peerToWire(this.#self), returning } } };
  }

  async #run(): Promise<void> {
    const { url, clock, random, logger } = this.#options;
    const { signal } = this.#stopping;
    try {
      for (let failures = 0; !signal.aborted; failures += 1) {
        const { wasConnected, error } = await this.#attend();
        if (wasConnected) failures = 0;
        if (signal.aborted) return;
        this.#refusal = hasCode(error, 'identity_in_use') ? error : undefined;
        const leastMs = this.#refusal ? IN_USE_PAUSE_MS : 0;
        const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10));
        logger.debug('attending again', { scheduler: url, withinMs: leastMs + ceilingMs });
        await clock.sleep(leastMs + random() * ceilingMs, signal);
        this.#refusal = undefined;
      }
    } catch (error) {
      if (!isAbortError(error)) throw error;
    }
  }

  /** One stream, from its opening to its end: whether it was welcomed, and what broke it. */
  async #attend(): Promise<{ wasConnected: boolean; error: AnaxError | undefined }> {
    const { clock, logger, url } = this.#options;
    const client = createSchedulerClient(url);
    const stream = new SchedulerStream(client, clock, {
      onWelcome: (schedulerKey) => this.#welcomed(stream, schedulerKey),
      onLocated: (requestId, peer) => this.#locates.answer(requestId, peer ?? this.#self),
      onBlobsFound: (requestId, found) => this.#searches.answer(requestId, found),
      onMessage: (message) => this.#handler(message),
    });
    let error: AnaxError | undefined;
    try {
      await stream.run(this.#announcement(), this.#self, this.#stopping.signal);
    } catch (thrown) {
      if (!this.#stopping.signal.aborted) error = toAnaxError(thrown, 'scheduler_unavailable');
    } finally {
      client.close();
    }
    const wasConnected = this.#stream === stream;
    this.#stream = undefined;
    if (error) logger.warn('not attending the scheduler', toFields(url, error));
    if (wasConnected) this.#handler({ kind: 'disconnected', error });
    return { wasConnected, error };
  }

  #welcomed(stream: SchedulerStream, schedulerKey: Uint8Array): void {
    const former = this.#schedulerKey;
    const keyChanged = former !== undefined && Buffer.compare(former, schedulerKey) !== 0;
    this.#schedulerKey = schedulerKey;
    this.#stream = stream;
    const { logger, url, rejoin } = this.#options;
    logger.info('attending the scheduler', { scheduler: url, keyChanged });
    // Before the handler is told: what it says in turn must come after.
    const facts = rejoin();
    for (const each of facts) this.join(each);
    for (const request of [...this.#locates.requests, ...this.#searches.requests]) stream.send(request);
    const message: SchedulerMessage = { kind: 'connected', schedulerKey, keyChanged };
    this.#handler(message);
  }
}

function toFields(scheduler: string, { message, hint }: AnaxError): Record<string, string> {
  return { scheduler, error: message, ...(hint !== '' && { hint }) };
}
