// A set that can be sampled: adding, removing and drawing one member cost O(1), whatever its size.

import type { Random } from '../core/index.ts';

export class Roster<Item> {
  readonly #items: Item[] = [];
  readonly #places = new Map<Item, number>();

  get size(): number {
    return this.#items.length;
  }

  add(item: Item): void {
    if (this.#places.has(item)) return;
    this.#places.set(item, this.#items.length);
    this.#items.push(item);
  }

  delete(item: Item): void {
    const place = this.#places.get(item);
    if (place === undefined) return;
    this.#swap(place, this.#items.length - 1);
    this.#items.pop();
    this.#places.delete(item);
  }

  /** Up to `count` distinct items, uniformly, in random order. Costs O(count). */
  sample(count: number, random: Random): Item[] {
    const size = this.#items.length;
    const taken = Math.min(count, size);
    for (let at = 0; at < taken; at += 1) this.#swap(at, at + Math.floor(random() * (size - at)));
    return this.#items.slice(0, taken);
  }

  [Symbol.iterator](): Iterator<Item> {
    return this.#items[Symbol.iterator]();
  }

  #swap(left: number, right: number): void {
    const a = this.#items[left];
    const b = this.#items[right];
    if (a === undefined || b === undefined || left === right) return;
    this.#items[left] = b;
    this.#items[right] = a;
    this.#places.set(b, left);
    this.#places.set(a, right);
  }
}
