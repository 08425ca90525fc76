// A store in a folder of the benchmark, opened as a daemon opens its own.

import { type PieceHash, silentLogger } from '../../src/core/index.ts';
import { loadPieceHash } from '../../src/hashing/index.ts';
import { type BlobStoreOptions, type DiskBlobStore, openBlobStore } from '../../src/store/index.ts';
import { systemClock } from '../../src/system/index.ts';

export class StoreFolder {
  readonly folder: string;
  readonly pieceHash: PieceHash;

  private constructor(folder: string, pieceHash: PieceHash) {
    this.folder = folder;
    this.pieceHash = pieceHash;
  }

  static async create(folder: string): Promise<StoreFolder> {
    return new StoreFolder(folder, (await loadPieceHash()).hash);
  }

  async open(options: Partial<BlobStoreOptions> = {}): Promise<DiskBlobStore> {
    const { folder, pieceHash } = this;
    return await openBlobStore({ folder, pieceHash, logger: silentLogger, clock: systemClock, ...options });
  }

  /** Opens the store for as long as `use` takes. */
  async with<T>(use: (store: DiskBlobStore) => Promise<T>, options?: Partial<BlobStoreOptions>): Promise<T> {
    const store = await this.open(options);
    try {
      return await use(store);
    } finally {
      await store.stop();
    }
  }
}

export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await work();
  return (performance.now() - begunMs) / 1000;
}
