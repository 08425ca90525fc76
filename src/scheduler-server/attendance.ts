// One peer's attendance stream on the server's side: reads its requests, holds what waits to be sent to it.

import { AnaxError, type Clock, isAbortError, type PeerInfo, toAnaxError } from '../core/index.ts';
import { type AttendRequest, peerFromWire } from '../rpc/index.ts';
import { Outbox } from './outbox.ts';
import type { ResponseInit } from './server-messages.ts';

/** Responses that may wait for one peer. A join gets two or three, so this is a peer that stopped reading. */
const MAX_WAITING = 4_096;

/** A stream must say who it is within this time. */
const ANNOUNCE_TIMEOUT_MS = 5_000;

export interface AttendanceHandler {
  /** The first announce, and later corrections of it. Throws what ends the stream. */
  announced(attendance: Attendance, peer: PeerInfo, returning: boolean): void;
  /** Any other request; `attendance.peer` is set. Throws what ends the stream. */
  received(attendance: Attendance, request: AttendRequest): void;
  /** Once, at the end of an announced stream. */
  ended(attendance: Attendance): void;
}

export class Attendance {
  readonly outbox = new Outbox<ResponseInit>(MAX_WAITING);
  /** Set from its announce on. */
  peer: PeerInfo | undefined;
  /** When something was last sent, for keepalives. */
  lastSentMs = 0;

  readonly #handler: AttendanceHandler;
  readonly #clock: Clock;
  #ended = false;

  constructor(handler: AttendanceHandler, clock: Clock) {
    this.#handler = handler;
    this.#clock = clock;
  }

  send(response: ResponseInit): void {
    this.lastSentMs = this.#clock.now();
    this.outbox.push(response);
  }

  /** The stream's responses, for as long as it lives. `signal` is aborted when the other side is gone. */
  async *run(requests: AsyncIterable<AttendRequest>, signal: AbortSignal): AsyncGenerator<ResponseInit> {
    const ending = new AbortController();
    const onGone = (): void => this.outbox.end();
    signal.addEventListener('abort', onGone, { once: true });
    // Ends with the stream, and reports to the outbox.
    void this.#read(requests);
    const waiting = this.#expectAnnounce(AbortSignal.any([signal, ending.signal]));
    try {
      yield* this.outbox;
    } finally {
      signal.removeEventListener('abort', onGone);
      ending.abort();
      this.outbox.end();
      this.#ended = true;
      if (this.peer) this.#handler.ended(this);
      await waiting;
    }
  }

  async #read(requests: AsyncIterable<AttendRequest>): Promise<void> {
    try {
      for await (const request of requests) this.#take(request);
      this.outbox.end();
    } catch (error) {
      this.outbox.fail(toAnaxError(error));
    }
  }

  #take(request: AttendRequest): void {
    if (this.#ended) return;
    const { message } = request;
    if (message.case !== 'announce') {
      if (!this.peer) throw new AnaxError('peer_protocol', 'the first message must be an announce');
      this.#handler.received(this, request);
      return;
    }
    const peer = peerFromWire(message.value.peer);
    if (this.peer && this.peer.id !== peer.id) {
      throw new AnaxError('peer_protocol', 'a stream is of one peer');
    }
    this.#handler.announced(this, peer, message.value.returning);
  }

  async #expectAnnounce(signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(ANNOUNCE_TIMEOUT_MS, signal);
      if (!this.peer) this.outbox.fail(new AnaxError('timeout', 'no announce'));
    } catch (error) {
      if (!isAbortError(error)) throw error;
    }
  }
}
