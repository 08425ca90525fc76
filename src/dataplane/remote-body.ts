// The body of an origin's answer that comes in in a core, as the main side has it.

import { type FileSpan, KiB, type PieceIntake } from '../core/index.ts';
import { type BodySpan, dumpBody, type LargeBody } from '../http-body/index.ts';
import type { Answer, BodyNumber, BodyRequest, Command } from './messages.ts';

/** Who reads a body in this thread gets so much at a time. */
const CHUNK_BYTES = 256 * KiB;

/** The core that a body is in. */
export interface BodyCore {
  post(command: Command): void;
  request(request: BodyRequest): Promise<Answer>;
}

export class RemoteBody implements LargeBody {
  readonly #core: BodyCore;
  readonly #number: BodyNumber;
  readonly #signal: AbortSignal;
  readonly #onEnd: () => void;
  #isEnded = false;

  /** The signal ends it. `onEnd` is called once, when it is not used any more. */
  constructor(core: BodyCore, number: BodyNumber, signal: AbortSignal, onEnd: () => void) {
    this.#core = core;
    this.#number = number;
    this.#signal = signal;
    this.#onEnd = onEnd;
    signal.addEventListener('abort', this.destroy, { once: true });
  }

  intake(span: BodySpan | undefined, capacityBytes: number): PieceIntake {
    const body = this.#number;
    this.#core.post({ kind: 'begin', body, span, capacityBytes });
    return {
      gather: async (at, limit) => Number(await this.#ask({ kind: 'gather', body, at, limit })),
      refill: async (bytes) => void (await this.#ask({ kind: 'refill', body, bytes })),
      digest: () => this.#askForBytes({ kind: 'digest', body }),
      bytes: () => this.#askForBytes({ kind: 'bytes', body }),
      put: async (place: FileSpan) => void (await this.#ask({ kind: 'store', body, place })),
      close: async () => this.destroy(),
    };
  }

  async #ask(request: BodyRequest): Promise<Answer> {
    try {
      return await this.#core.request(request);
    } finally {
      this.#signal.throwIfAborted();
    }
  }

  async #askForBytes(request: BodyRequest): Promise<Uint8Array> {
    const answer = await this.#ask(request);
    return answer instanceof Uint8Array ? answer : new Uint8Array();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const intake = this.intake(undefined, CHUNK_BYTES);
    try {
      while ((await intake.gather(0, CHUNK_BYTES)) > 0) yield await intake.bytes();
    } finally {
      this.destroy();
    }
  }

  async dump({ limit }: { readonly limit: number }): Promise<void> {
    await dumpBody(this, limit);
  }

  readonly destroy = (): void => {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#signal.removeEventListener('abort', this.destroy);
    this.#core.post({ kind: 'end', body: this.#number });
    this.#onEnd();
  };
}
