// Questions "who reads this ref?" that wait for the scheduler's answer. They outlive connections: each new one is asked
// them again.

import { AnaxError, type Clock, isAbortError, type PeerId, type PeerInfo } from '../core/index.ts';
import type { AttendRequestInit } from '../rpc/index.ts';

/** Longest wait for an answer, reconnecting included: then the caller must do without a scheduler. */
const LOCATE_TIMEOUT_MS = 10_000;

interface Question {
  readonly request: AttendRequestInit;
  readonly resolve: (peer: PeerInfo) => void;
}

export class RemoteLocates {
  readonly #clock: Clock;
  readonly #open = new Map<number, Question>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What to ask on a new connection. */
  get requests(): AttendRequestInit[] {
    return Array.from(this.#open.values(), ({ request }) => request);
  }

  answer(requestId: number, peer: PeerInfo): void {
    this.#open.get(requestId)?.resolve(peer);
  }

  /** Waits for the answer; `send` asks now, where there is a connection. */
  async ask(
    refKey: string,
    exclude: readonly PeerId[],
    signal: AbortSignal,
    send: (request: AttendRequestInit) => void,
  ): Promise<PeerInfo> {
    signal.throwIfAborted();
    const requestId = (this.#lastId = (this.#lastId + 1) >>> 0);
    const value = { requestId, refKey, excludePeerIds: [...exclude] };
    const request: AttendRequestInit = { message: { case: 'locate', value } };
    const { promise, resolve } = Promise.withResolvers<PeerInfo>();
    this.#open.set(requestId, { request, resolve });
    const answered = new AbortController();
    try {
      send(request);
      return await Promise.race([promise, this.#timeout(AbortSignal.any([signal, answered.signal]), signal)]);
    } finally {
      this.#open.delete(requestId);
      answered.abort();
    }
  }

  async #timeout(either: AbortSignal, caller: AbortSignal): Promise<never> {
    try {
      await this.#clock.sleep(LOCATE_TIMEOUT_MS, either);
    } catch (error) {
      caller.throwIfAborted();
      if (!isAbortError(error)) throw error;
    }
    throw new AnaxError('scheduler_unavailable', `no answer within ${LOCATE_TIMEOUT_MS / 1000} s`);
  }
}
