// Messages of one turn of the event loop, handed over together: a post to another thread costs more than what is in it.

export class Batch<Message> {
  readonly #flush: (messages: Message[]) => void;
  #messages: Message[] = [];

  constructor(flush: (messages: Message[]) => void) {
    this.#flush = flush;
  }

  add(message: Message): void {
    this.#messages.push(message);
    if (this.#messages.length === 1) setImmediate(() => this.flush());
  }

  /** Hands over what there is. */
  flush(): void {
    const messages = this.#messages;
    if (messages.length === 0) return;
    this.#messages = [];
    this.#flush(messages);
  }
}
