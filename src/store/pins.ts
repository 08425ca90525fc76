// What the operator wants to keep: named sets of digests that are never evicted. A small file of its own, since the index
// may be lost and rebuilt. A pinned blob need not be there (yet).

import { AnaxError, type Digest, type Logger, type Pin, parseDigest } from '../core/index.ts';
import type { Layout } from './layout.ts';
import { readIfThere, type StoreFs, writeDurably } from './store-fs.ts';

export class Pins {
  readonly #deps: { readonly fs: StoreFs; readonly layout: Layout };
  readonly #byName: Map<string, readonly Digest[]>;
  #digests: ReadonlySet<Digest>;

  constructor(deps: { readonly fs: StoreFs; readonly layout: Layout }, pins: readonly Pin[]) {
    this.#deps = deps;
    this.#byName = new Map(pins.map(({ name, digests }) => [name, digests]));
    this.#digests = this.#allDigests();
  }

  has(digest: Digest): boolean {
    return this.#digests.has(digest);
  }

  list(): Pin[] {
    return Array.from(this.#byName, ([name, digests]) => ({ name, digests }));
  }

  /** Durable on return. */
  async put({ name, digests }: Pin): Promise<void> {
    this.#byName.set(name, [...digests]);
    await this.#save();
  }

  /** Whether there was such a pin. Durable on return. */
  async remove(name: string): Promise<boolean> {
    if (!this.#byName.delete(name)) return false;
    await this.#save();
    return true;
  }

  async #save(): Promise<void> {
    this.#digests = this.#allDigests();
    const text = `${JSON.stringify(this.list())}\n`;
    await writeDurably(this.#deps.fs, this.#deps.layout.pinsFile, Buffer.from(text));
  }

  #allDigests(): ReadonlySet<Digest> {
    return new Set([...this.#byName.values()].flat());
  }
}

/** Throws `disk_io` for a file that is none of ours: evicting what was pinned would be worse. */
export async function loadPins(
  deps: { readonly fs: StoreFs; readonly layout: Layout },
  logger: Logger,
): Promise<Pins> {
  const bytes = await readIfThere(deps.fs, deps.layout.pinsFile);
  if (!bytes) return new Pins(deps, []);
  try {
    const pins = JSON.parse(bytes.toString('utf8')) as readonly {
      name: string;
      digests: readonly string[];
    }[];
    return new Pins(
      deps,
      pins.map(({ name, digests }) => ({ name, digests: digests.map(parseDigest) })),
    );
  } catch (error) {
    logger.error('the list of pins cannot be read', { path: deps.layout.pinsFile });
    throw new AnaxError('disk_io', deps.layout.pinsFile, {
      cause: error,
      hint: 'the list of pins is damaged: remove the file, and pin anew',
    });
  }
}
