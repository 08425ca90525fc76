// Events pushed from many places, taken by one `for await`.

export class EventQueue<Event> implements AsyncIterable<Event> {
  readonly #events: Event[] = [];
  #wake = Promise.withResolvers<void>();
  #ended = false;
  #error: Error | undefined;

  push(event: Event): void {
    this.#events.push(event);
    this.#wake.resolve();
  }

  /** No more events come; those that wait are still taken. */
  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  /** The taker gets this error after the events that wait. */
  fail(error: Error): void {
    this.#error = error;
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event> {
    while (true) {
      while (this.#events.length > 0) yield this.#events.shift() as Event;
      if (this.#error) throw this.#error;
      if (this.#ended) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}
