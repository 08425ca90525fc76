// Calls that the remote made to us. Each is answered once, by the handler's bytes in parts or by an error record,
// unless the remote abandons it. Counted until the handler is done, so that abandoning does not make room for more.

import { AnaxError, assert, MAX_MANIFEST_BYTES, toAnaxError, toErrorRecord } from '../core/index.ts';
import { encodeMessage } from './codec.ts';
import { MAX_ANSWER_PART_BYTES, MAX_ERROR_ANSWER_BYTES } from './limits.ts';
import { type CallMessage, violation } from './messages.ts';

/**
 * Answers a call. What it throws reaches the caller as an AnaxError of the same code. The signal is aborted when the
 * caller gave up, its time is over, or the link ended.
 */
export type CallHandler = (
  method: string,
  body: Uint8Array,
  context: { readonly signal: AbortSignal },
) => Promise<Uint8Array>;

export interface CallServerOptions {
  readonly handler: CallHandler;
  readonly maxCalls: number;
  readonly maxCallBytes: number;
  readonly bulk: (frame: Buffer) => Promise<void>;
  readonly control: (frame: Buffer) => void;
}

/** The longest that a remote's deadline keeps a call alive. */
const MAX_CALL_MS = 10 * 60_000;

export class CallServer {
  readonly #options: CallServerOptions;
  readonly #calls = new Map<number, AbortController>();
  #bytes = 0;
  #nextId = 0;

  constructor(options: CallServerOptions) {
    this.#options = options;
  }

  /** Calls whose handlers are at work. */
  get underWay(): number {
    return this.#calls.size;
  }

  called(message: CallMessage): void {
    if (message.id < this.#nextId) throw violation('a call with a used number');
    this.#nextId = message.id + 1;
    const { maxCalls, maxCallBytes } = this.#options;
    if (this.#calls.size >= maxCalls || this.#bytes + message.body.length > maxCallBytes) {
      this.#send(message.id, new AnaxError('peer_refused', 'too many calls', { retryAfterMs: 100 }));
      return;
    }
    void this.#serve(message);
  }

  async #serve({ id, method, body, timeoutMs }: CallMessage): Promise<void> {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(timeout()), Math.min(timeoutMs, MAX_CALL_MS));
    // A handler that ignores its signal must not keep a process alive.
    timer.unref();
    this.#calls.set(id, controller);
    this.#bytes += body.length;
    try {
      const answer = await this.#options.handler(method, body, { signal: controller.signal });
      assert(answer.length <= MAX_MANIFEST_BYTES, 'an answer fits its limit');
      await this.#sendParts(id, answer, controller.signal);
    } catch (error) {
      if (!controller.signal.aborted) this.#send(id, toAnaxError(error));
    } finally {
      clearTimeout(timer);
      this.#calls.delete(id);
      this.#bytes -= body.length;
    }
  }

  /** One part at a time is with the writer: parts of other answers and pieces go in between. */
  async #sendParts(id: number, answer: Uint8Array, signal: AbortSignal): Promise<void> {
    for (let at = 0; ; at += MAX_ANSWER_PART_BYTES) {
      signal.throwIfAborted();
      const body = answer.subarray(at, at + MAX_ANSWER_PART_BYTES);
      const last = at + MAX_ANSWER_PART_BYTES >= answer.length;
      await this.#options.bulk(encodeMessage({ kind: 'answer', id, ok: true, last, body }));
      if (last) return;
    }
  }

  #send(id: number, error: AnaxError): void {
    const text = Buffer.from(JSON.stringify(toErrorRecord(error)));
    const body = text.length <= MAX_ERROR_ANSWER_BYTES ? text : Buffer.alloc(0);
    const frame = encodeMessage({ kind: 'answer', id, ok: false, last: true, body });
    // Not bulk: what waits for a remote that calls and does not read must be bounded.
    this.#options.control(frame);
  }

  /** The caller gave up; it may have had its answer already. */
  abandoned(id: number): void {
    if (id >= this.#nextId) throw violation('a call that was never made is abandoned');
    this.#calls.get(id)?.abort(new AnaxError('interrupted', 'the caller gave up'));
  }

  /** The link ended. */
  close(error: AnaxError): void {
    for (const controller of this.#calls.values()) controller.abort(error);
  }
}

function timeout(): AnaxError {
  return new AnaxError('network_timeout', 'the caller waits no longer');
}
