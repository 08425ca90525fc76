// How many links there are, in all and with one host, those that are only being made included.

import type { LinkLimits } from './limits.ts';

export class LinkCounts {
  readonly #limits: Pick<LinkLimits, 'maxLinks' | 'maxLinksPerHost'>;
  readonly #perHost = new Map<string, number>();
  #total = 0;

  constructor(limits: Pick<LinkLimits, 'maxLinks' | 'maxLinksPerHost'>) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#total;
  }

  hasRoom(host: string): boolean {
    const { maxLinks, maxLinksPerHost } = this.#limits;
    return this.#total < maxLinks && (this.#perHost.get(host) ?? 0) < maxLinksPerHost;
  }

  /** Counts one more; returns how to count it off, once. */
  reserve(host: string): () => void {
    this.#total += 1;
    this.#perHost.set(host, (this.#perHost.get(host) ?? 0) + 1);
    return () => {
      this.#total -= 1;
      const left = (this.#perHost.get(host) ?? 0) - 1;
      if (left > 0) this.#perHost.set(host, left);
      else this.#perHost.delete(host);
    };
  }
}
