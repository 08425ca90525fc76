// Held pieces that the other sides of channels have not been told of yet.

/** So many are told at once, whoever may wait. */
const MAX_UNTOLD = 32;

export class Untold<Channel> {
  readonly #pieces = new Map<Channel, number[]>();

  /** The other side knows all that is held now. */
  begin(channel: Channel): void {
    this.#pieces.set(channel, []);
  }

  end(channel: Channel): void {
    this.#pieces.delete(channel);
  }

  clear(): void {
    this.#pieces.clear();
  }

  has(channel: Channel): boolean {
    return this.#pieces.has(channel);
  }

  /** All whose other side was told. */
  get channels(): Channel[] {
    return [...this.#pieces.keys()];
  }

  /** One more is held. Returns the channels that are to be told now. */
  add(piece: number, mayWait: (channel: Channel) => boolean): Channel[] {
    const due: Channel[] = [];
    for (const [channel, pieces] of this.#pieces) {
      pieces.push(piece);
      if (pieces.length >= MAX_UNTOLD || !mayWait(channel)) due.push(channel);
    }
    return due;
  }

  /** What is to be told; from now on it counts as told. */
  take(channel: Channel): number[] {
    return this.#pieces.get(channel)?.splice(0) ?? [];
  }
}
