// Room for a new blob: under the capacity that the operator set, by eviction, and on the disk as it is.

import type { Clock } from '../core/index.ts';
import {
  AnaxError,
  Bitfield,
  type BlobSpec,
  type Digest,
  formatBytes,
  hasCode,
  type Logger,
  pieceCount,
} from '../core/index.ts';
import { type Catalog, type CatalogEntry, type PartialEntry, toStoredBlob } from './catalog.ts';
import { type Capacity, chooseEvictions } from './evictions.ts';
import { KeyedLock } from './gate.ts';
import type { Layout } from './layout.ts';
import type { Pins } from './pins.ts';
import type { StoreFs } from './store-fs.ts';

export interface RoomOptions {
  /** `undefined`: no limit but the disk. */
  readonly capacity: Capacity | undefined;
  /** Asked to close a blob, if its user can do without it. */
  readonly letGo: (digest: Digest) => Promise<void>;
}

export interface RoomDeps {
  readonly fs: StoreFs;
  readonly layout: Layout;
  readonly catalog: Catalog;
  readonly pins: Pins;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What Room needs of the store around it. */
export interface RoomHost {
  isOpen(digest: Digest): boolean;
  remove(digest: Digest): Promise<boolean>;
}

export class Room {
  readonly #deps: RoomDeps;
  readonly #options: RoomOptions;
  readonly #host: RoomHost;
  // One reservation at a time, so that two don't count the same room.
  readonly #turns = new KeyedLock<'room'>();
  evictedBlobs = 0;

  constructor(deps: RoomDeps, options: RoomOptions, host: RoomHost) {
    this.#deps = deps;
    this.#options = options;
    this.#host = host;
  }

  /**
   * Enters a new partial blob into the catalog, after making room. The capacity is a goal: with everything open or
   * pinned, the blob is taken nevertheless. Throws `disk_full` where the disk could not take all of it, next to what
   * the open partial blobs still need.
   */
  async reserve(spec: BlobSpec): Promise<PartialEntry> {
    return await this.#turns.run('room', async () => {
      await this.#evictFor(spec);
      await this.#checkDisk(spec);
      const held = new Bitfield(pieceCount(spec));
      const entry: PartialEntry = { state: 'partial', spec, held, lastUsedAtMs: this.#deps.clock.now() };
      this.#deps.catalog.put(entry);
      return entry;
    });
  }

  async #evictFor(spec: BlobSpec): Promise<void> {
    const { capacity } = this.#options;
    if (!capacity) return;
    const others = [...this.#deps.catalog.entries()].filter((entry) => entry.spec.digest !== spec.digest);
    const candidates = others.map((entry) => ({
      digest: entry.spec.digest,
      usedBytes: this.#usedBytes(entry),
      lastUsedAtMs: entry.lastUsedAtMs,
    }));
    const usedBytes = candidates.reduce((sum, candidate) => sum + candidate.usedBytes, 0);
    const unpinned = candidates.filter(({ digest }) => !this.#isPinned(digest));
    const evictions = chooseEvictions(unpinned, usedBytes, spec.sizeBytes, capacity);
    for (let next = evictions.next(); !next.done; ) next = evictions.next(await this.#evict(next.value));
  }

  /** An open partial blob is on its way to its full size; a closed one has only what it holds. */
  #usedBytes(entry: CatalogEntry): number {
    const { digest, sizeBytes } = entry.spec;
    return this.#host.isOpen(digest) ? sizeBytes : toStoredBlob(entry).heldBytes;
  }

  #isPinned(digest: Digest): boolean {
    const entry = this.#deps.catalog.get(digest);
    const others =
      entry?.state === 'complete' ? [entry.aliases, ...entry.parts.map((part) => part.digests)] : [];
    return [digest, ...others.flat()].some((name) => this.#deps.pins.has(name));
  }

  /** Whether it could be: not where it is in use. */
  async #evict(digest: Digest): Promise<boolean> {
    if (this.#host.isOpen(digest)) await this.#options.letGo(digest);
    try {
      if (!(await this.#host.remove(digest))) return false;
    } catch (error) {
      if (!hasCode(error, 'store_locked')) throw error;
      return false;
    }
    this.evictedBlobs += 1;
    this.#deps.logger.info('a blob was evicted', { digest });
    return true;
  }

  async #checkDisk(spec: BlobSpec): Promise<void> {
    const stats = await this.#deps.fs.statfs(this.#deps.layout.folder);
    const available = stats.bavail * stats.bsize;
    const needed = spec.sizeBytes + this.#promisedBytes(spec.digest);
    if (needed <= available) return;
    throw new AnaxError(
      'disk_full',
      `${formatBytes(needed)} needed, ${formatBytes(available)} available in ${this.#deps.layout.folder}`,
      { details: { neededBytes: needed, availableBytes: available, folder: this.#deps.layout.folder } },
    );
  }

  /** What the other open partial blobs have yet to write. */
  #promisedBytes(except: Digest): number {
    let bytes = 0;
    for (const entry of this.#deps.catalog.entries()) {
      const { digest, sizeBytes } = entry.spec;
      if (entry.state === 'partial' && digest !== except && this.#host.isOpen(digest)) {
        bytes += sizeBytes - toStoredBlob(entry).heldBytes;
      }
    }
    return bytes;
  }
}
