// A bounded queue between code that must not wait and a stream that may be slow. Pushed from anywhere, taken by one
// `for await`.
//
// Invariant: after end() or fail() nothing is taken in any more; what was before is still given out, except after a
// failure or an overflow: a reader that does not keep up for so long gets nothing further but the error.

import { AnaxError } from '../core/index.ts';

export class Outbox<Message> implements AsyncIterable<Message> {
  readonly #limit: number;
  #messages: Message[] = [];
  #wake = Promise.withResolvers<void>();
  #ended = false;
  #error: Error | undefined;

  /** `limit`: messages that may wait, besides those of the batch that is being given out. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  push(message: Message): void {
    if (this.#ended) return;
    if (this.#messages.length >= this.#limit) {
      this.fail(
        new AnaxError('limit_exceeded', `${this.#limit} messages wait for a reader that is too slow`),
      );
      return;
    }
    this.#messages.push(message);
    this.#wake.resolve();
  }

  /** Idempotent. */
  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  /** Idempotent; the first end or error stands. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#error = error;
    this.#messages = [];
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
    for (;;) {
      const taken = this.#messages;
      this.#messages = [];
      for (const message of taken) {
        if (this.#error) throw this.#error;
        yield message;
      }
      if (this.#error) throw this.#error;
      if (this.#messages.length > 0) continue;
      if (this.#ended) return;
      await this.#wake.promise;
      if (!this.#ended) this.#wake = Promise.withResolvers();
    }
  }
}
