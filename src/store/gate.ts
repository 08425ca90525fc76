// Who may use a blob's files at the same time: many readers and writers of pieces, or one that replaces the files
// (commit, drop, close). First come, first served, so that neither side starves.

interface Waiter {
  readonly exclusive: boolean;
  readonly enter: () => void;
}

export class Gate {
  #inside = 0;
  #exclusive = false;
  readonly #waiting: Waiter[] = [];

  async shared<T>(work: () => Promise<T>): Promise<T> {
    if (this.#exclusive || this.#waiting.length > 0) await this.#wait(false);
    else this.#inside += 1;
    return await this.#run(work);
  }

  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inside > 0 || this.#waiting.length > 0) await this.#wait(true);
    else this.#enter(true);
    return await this.#run(work);
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #wait(exclusive: boolean): Promise<void> {
    return new Promise((enter) => this.#waiting.push({ exclusive, enter }));
  }

  #enter(exclusive: boolean): void {
    this.#inside += 1;
    this.#exclusive = exclusive;
  }

  #leave(): void {
    this.#inside -= 1;
    if (this.#inside === 0) this.#exclusive = false;
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (this.#exclusive || (next.exclusive && this.#inside > 0)) return;
      this.#waiting.shift();
      // Counted in before its turn runs, so that nobody slips in between.
      this.#enter(next.exclusive);
      next.enter();
    }
  }
}

/** One at a time for each key. */
export class KeyedLock<Key> {
  readonly #tails = new Map<Key, Promise<unknown>>();

  async run<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const turn = before ? before.then(work, work) : work();
    this.#tails.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(key) === turn) this.#tails.delete(key);
    }
  }
}
