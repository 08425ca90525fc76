// Calls that we made to the remote. A call settles once: by its last answer part, its deadline, its signal, its size
// limit or the end of the link; the remote is told where it is not by the answer. What comes for a settled call
// is dropped: numbers rise, so one below the next that is not in the table was settled.

import {
  AnaxError,
  assert,
  type ErrorDetails,
  type ErrorRecord,
  fromErrorRecord,
  MiB,
} from '../core/index.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import { MAX_CALL_BODY_BYTES, MAX_ERROR_ANSWER_BYTES } from './limits.ts';
import { type AbandonMessage, type AnswerMessage, type CallMessage, violation } from './messages.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** The answer may be this long; beyond it the call fails with `limit_exceeded`. Default 1 MiB. */
  readonly maxAnswerBytes?: number;
  /** From the call to the last byte of the answer. Fails with `network_timeout`. Default 30 s. */
  readonly timeoutMs?: number;
}

const DEFAULT_ANSWER_BYTES = 1 * MiB;
const DEFAULT_TIMEOUT_MS = 30_000;

interface Pending {
  readonly maxAnswerBytes: number;
  readonly answer: GrowingBuffer;
  readonly settle: (result: Uint8Array | Error) => void;
}

export class CallClient {
  readonly #pending = new Map<number, Pending>();
  readonly #maxCalls: number;
  readonly #send: (message: CallMessage | AbandonMessage) => void;
  #nextId = 0;

  constructor(maxCalls: number, send: (message: CallMessage | AbandonMessage) => void) {
    this.#maxCalls = maxCalls;
    this.#send = send;
  }

  /** See `PeerLink.call`. */
  call(method: string, body: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    const { signal, timeoutMs = DEFAULT_TIMEOUT_MS, maxAnswerBytes = DEFAULT_ANSWER_BYTES } = options;
    assert(body.length <= MAX_CALL_BODY_BYTES, `a call with ${body.length} bytes`);
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    if (this.#pending.size >= this.#maxCalls) {
      return Promise.reject(new AnaxError('limit_exceeded', `${this.#maxCalls} calls are under way`));
    }
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const abort = () => this.#abandon(id, signal?.reason as Error);
      const expire = () => this.#abandon(id, new AnaxError('network_timeout', `${method} took too long`));
      const timer = setTimeout(expire, timeoutMs);
      signal?.addEventListener('abort', abort, { once: true });
      const settle = (result: Uint8Array | Error) => {
        this.#pending.delete(id);
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        if (result instanceof Error) reject(result);
        else resolve(result);
      };
      this.#pending.set(id, { maxAnswerBytes, answer: new GrowingBuffer(), settle });
      this.#send({ kind: 'call', id, timeoutMs: Math.ceil(timeoutMs), method, body });
    });
  }

  #abandon(id: number, error: Error): void {
    this.#pending.get(id)?.settle(error);
    this.#send({ kind: 'abandon', id });
  }

  /** An answer, or a part of one. */
  answered({ id, ok, last, body }: AnswerMessage): void {
    const pending = this.#pending.get(id);
    if (!pending) {
      if (id >= this.#nextId) throw violation('an answer to no call');
      return;
    }
    if (!last && (body.length === 0 || !ok)) throw violation('an answer part without sense');
    const limit = ok ? pending.maxAnswerBytes : MAX_ERROR_ANSWER_BYTES;
    if (pending.answer.length + body.length > limit) {
      const error = new AnaxError('limit_exceeded', `an answer of more than ${limit} bytes`);
      if (last) pending.settle(error);
      else this.#abandon(id, error);
      return;
    }
    pending.answer.append(body, 0, body.length);
    if (!last) return;
    pending.settle(ok ? pending.answer.view() : readError(body));
  }

  /** The link ended. */
  close(error: AnaxError): void {
    for (const pending of this.#pending.values()) pending.settle(error);
  }
}

/** The error that an answer's body says; nothing in it is taken on trust. */
function readError(body: Uint8Array): AnaxError {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    if (isErrorRecord(value)) return fromErrorRecord({ ...value, details: plainDetails(value.details) });
  } catch {
    // Falls through: what is no JSON is no error record.
  }
  return new AnaxError('peer_protocol', 'an error that is no error record');
}

function isErrorRecord(value: unknown): value is ErrorRecord {
  if (typeof value !== 'object' || value === null) return false;
  return ['code', 'message', 'hint'].every(
    (key) => typeof (value as Record<string, unknown>)[key] === 'string',
  );
}

function plainDetails(value: unknown): ErrorDetails {
  if (typeof value !== 'object' || value === null) return {};
  const plain = Object.entries(value).filter(([, detail]) =>
    ['string', 'number', 'boolean'].includes(typeof detail),
  );
  return Object.fromEntries(plain);
}
