// Questions of one kind that wait for the scheduler's answer. They outlive connections: each new one is asked them again.

import { AnaxError, type Clock, isAbortError } from '../core/index.ts';
import type { AttendRequestInit } from '../rpc/index.ts';

/** Longest wait for an answer, reconnecting included: then the caller must do without a scheduler. */
const ANSWER_TIMEOUT_MS = 10_000;

interface Question<Answer> {
  readonly request: AttendRequestInit;
  readonly resolve: (answer: Answer) => void;
}

export class RemoteQuestions<Answer> {
  readonly #clock: Clock;
  readonly #open = new Map<number, Question<Answer>>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What to ask on a new connection. */
  get requests(): AttendRequestInit[] {
    return Array.from(this.#open.values(), ({ request }) => request);
  }

  answer(requestId: number, answer: Answer): void {
    this.#open.get(requestId)?.resolve(answer);
  }

  /**
   * Waits for the answer; `send` asks now, where there is a connection. Throws `scheduler_unavailable` after 10 s without
   * an answer, and the signal's reason.
   */
  async ask(
    toRequest: (requestId: number) => AttendRequestInit,
    signal: AbortSignal,
    send: (request: AttendRequestInit) => void,
  ): Promise<Answer> {
    signal.throwIfAborted();
    const requestId = (this.#lastId = (this.#lastId + 1) >>> 0);
    const request = toRequest(requestId);
    const { promise, resolve } = Promise.withResolvers<Answer>();
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
      await this.#clock.sleep(ANSWER_TIMEOUT_MS, either);
    } catch (error) {
      caller.throwIfAborted();
      if (!isAbortError(error)) throw error;
    }
    throw new AnaxError('scheduler_unavailable', `no answer within ${ANSWER_TIMEOUT_MS / 1000} s`);
  }
}
