// Bytes that several want at the same time: read once, and kept as long as one of them uses them.

interface Shared {
  readonly bytes: Promise<Buffer>;
  users: number;
}

export class SharedReads<Key> {
  readonly #inUse = new Map<Key, Shared>();

  /** Runs `work` with the bytes. Where reading fails, it fails for all who share it; who comes later reads again. */
  async use<Result>(
    key: Key,
    read: () => Promise<Buffer>,
    work: (bytes: Buffer) => Promise<Result>,
  ): Promise<Result> {
    const shared = this.#inUse.get(key) ?? { bytes: read(), users: 0 };
    this.#inUse.set(key, shared);
    shared.users += 1;
    try {
      return await work(await shared.bytes);
    } finally {
      shared.users -= 1;
      if (shared.users === 0) this.#inUse.delete(key);
    }
  }
}
