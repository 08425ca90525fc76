// One attendance stream on the daemon's side, from announce to its end.

import { AnaxError, type Clock, isAbortError, type PeerInfo, PUBLIC_KEY_BYTES } from '../core/index.ts';
import {
  type AttendRequestInit,
  type AttendResponse,
  peerFromWire,
  type SchedulerClient,
} from '../rpc/index.ts';
import type { FoundBlob } from '../scheduler/index.ts';
import { toFoundBlobs, toMessage } from './client-messages.ts';
import { Outbox } from './outbox.ts';
import type { SchedulerMessage } from './scheduler-link.ts';

/** Requests that may wait to be sent: every swarm joined again, several times over. */
const MAX_WAITING = 65_536;

const WELCOME_TIMEOUT_MS = 5_000;

/** How long a goodbye may take to be answered by the end of the stream. */
const GOODBYE_TIMEOUT_MS = 500;

/** Keepalives that may get lost before the other side counts as gone. */
const LOST_KEEPALIVES = 3;

export interface SchedulerStreamHandler {
  onWelcome(schedulerKey: Uint8Array): void;
  /** `peer` is undefined where this host itself is meant. */
  onLocated(requestId: number, peer: PeerInfo | undefined): void;
  onBlobsFound(requestId: number, found: readonly FoundBlob[]): void;
  onMessage(message: SchedulerMessage): void;
}

export class SchedulerStream {
  readonly #client: SchedulerClient;
  readonly #clock: Clock;
  readonly #handler: SchedulerStreamHandler;
  readonly #outbox = new Outbox<AttendRequestInit>(MAX_WAITING);
  readonly #breaking = new AbortController();
  #lastHeardMs = 0;
  #isWelcome = false;

  constructor(client: SchedulerClient, clock: Clock, handler: SchedulerStreamHandler) {
    this.#client = client;
    this.#clock = clock;
    this.#handler = handler;
  }

  send(request: AttendRequestInit): void {
    this.#outbox.push(request);
  }

  /**
   * Attends until the stream ends, says goodbye when `stop` is aborted. Throws what broke it, `scheduler_unavailable`
   * where the scheduler is silent.
   */
  async run(announcement: AttendRequestInit, self: PeerInfo, stop: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const watchers = [this.#expectWelcome(ended.signal), this.#sayGoodbye(stop, ended.signal)];
    this.send(announcement);
    try {
      for await (const response of this.#client.attend(this.#outbox, this.#breaking.signal)) {
        this.#lastHeardMs = this.#clock.now();
        if (response.message.case === 'welcome') {
          if (this.#isWelcome) throw new AnaxError('peer_protocol', 'a second welcome');
          watchers.push(this.#keepAlive(response.message.value.keepaliveMs, ended.signal));
        }
        if (!stop.aborted) this.#take(response, self);
      }
      if (!stop.aborted) throw new AnaxError('scheduler_unavailable', 'it ended the stream');
    } finally {
      ended.abort();
      this.#outbox.end();
      await Promise.all(watchers);
    }
  }

  #take(response: AttendResponse, self: PeerInfo): void {
    const { message } = response;
    if (message.case === 'welcome') {
      const { schedulerPublicKey } = message.value;
      if (schedulerPublicKey.length !== PUBLIC_KEY_BYTES)
        throw new AnaxError('peer_protocol', 'not a welcome');
      this.#isWelcome = true;
      this.#handler.onWelcome(schedulerPublicKey);
    } else if (!this.#isWelcome) {
      throw new AnaxError('peer_protocol', 'the first message must be a welcome');
    } else if (message.case === 'located') {
      const { requestId, answer } = message.value;
      this.#handler.onLocated(requestId, answer.case === 'peer' ? peerFromWire(answer.value) : undefined);
    } else if (message.case === 'blobsFound') {
      this.#handler.onBlobsFound(message.value.requestId, toFoundBlobs(message.value));
    } else {
      const known = toMessage(response, self);
      if (known) this.#handler.onMessage(known);
    }
  }

  async #expectWelcome(ended: AbortSignal): Promise<void> {
    if ((await this.#sleep(WELCOME_TIMEOUT_MS, ended)) && !this.#isWelcome) this.#break('no welcome');
  }

  async #keepAlive(keepaliveMs: number, ended: AbortSignal): Promise<void> {
    const intervalMs = Math.max(1, keepaliveMs);
    while (await this.#sleep(intervalMs, ended)) {
      if (this.#clock.now() - this.#lastHeardMs > LOST_KEEPALIVES * intervalMs) this.#break('it is silent');
      this.send({ message: { case: 'keepalive', value: {} } });
    }
  }

  async #sayGoodbye(stop: AbortSignal, ended: AbortSignal): Promise<void> {
    await firstAbort(stop, ended);
    if (ended.aborted) return;
    this.send({ message: { case: 'goodbye', value: {} } });
    this.#outbox.end();
    if (await this.#sleep(GOODBYE_TIMEOUT_MS, ended)) this.#break('it does not end the stream');
  }

  #break(why: string): void {
    this.#breaking.abort(new AnaxError('scheduler_unavailable', why));
  }

  /** Whether the time was slept through. */
  async #sleep(ms: number, ended: AbortSignal): Promise<boolean> {
    try {
      await this.#clock.sleep(ms, ended);
      return !ended.aborted;
    } catch (error) {
      if (isAbortError(error)) return false;
      throw error;
    }
  }
}

/** Resolves when the first of two signals is aborted. */
async function firstAbort(left: AbortSignal, right: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const either = AbortSignal.any([left, right]);
  if (either.aborted) return;
  either.addEventListener('abort', () => resolve(), { once: true });
  await promise;
}
