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
import type { StoreFs } from './store-fs.ts';

export interface RoomOptions {
  /** `undefined`: no limit but the disk. */
  readonly capacity: Capacity | undefined;
  readonly isPinned: (digest: Digest) => boolean;
}

export interface RoomDeps {
  readonly fs: StoreFs;
  readonly layout: Layout;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What Room needs of the store around it. */
export interface RoomHost {
  isOpen(digest: Digest): boolean;
  isBusy(digest: Digest): boolean;
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
    const usedBytes = others.reduce((sum, entry) => sum + entry.spec.sizeBytes, 0);
    const candidates = others.filter((entry) => this.#isEvictable(entry)).map(toStoredBlob);
    for (const digest of chooseEvictions(candidates, usedBytes, spec.sizeBytes, capacity))
      await this.#evict(digest);
  }

  #isEvictable({ state, spec }: CatalogEntry): boolean {
    return state === 'complete' && !this.#host.isBusy(spec.digest) && !this.#options.isPinned(spec.digest);
  }

  async #evict(digest: Digest): Promise<void> {
    try {
      if (await this.#host.remove(digest)) this.evictedBlobs += 1;
      this.#deps.logger.info('a blob was evicted', { digest });
    } catch (error) {
      // Came into use since it was chosen.
      if (!hasCode(error, 'store_locked')) throw error;
    }
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
