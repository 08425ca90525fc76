// Opens a store: takes the lock, reads the index, finds out what a crash may have left, and puts the parts together.

import { mkdir } from 'node:fs/promises';
import {
  AnaxError,
  AssertionError,
  type Clock,
  type Digest,
  isAbortError,
  type Logger,
  type PieceHash,
  systemErrorCode,
  toAnaxError,
} from '../core/index.ts';
import { Catalog } from './catalog.ts';
import { DigestPool } from './digest-pool.ts';
import { type DiskBlobStore, DiskStore } from './disk-store.ts';
import type { IndexDatabase } from './index-database.ts';
import { Layout } from './layout.ts';
import { openIndex } from './open-index.ts';
import { type OwnerLock, takeOwnerLock } from './owner-lock.ts';
import { DEFAULT_FLUSH, type FlushBound } from './partial-file.ts';
import { loadPins } from './pins.ts';
import { reconcile } from './reconcile.ts';
import { SmallFilePlacer } from './small-file-placer.ts';
import { diskFs, type StoreFs } from './store-fs.ts';
import { openTemporaryNames } from './store-name.ts';

export interface BlobStoreOptions {
  /** Made with mode 0700 where absent. Blobs, partial blobs and index are under it, on one filesystem. */
  readonly folder: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** BLAKE3: checks pieces again after an unclean stop and where a file was changed. */
  readonly pieceHash: PieceHash;
  /** Room for blobs, in bytes. Default: no limit but the disk. */
  readonly capacityBytes?: number;
  /** Share of the capacity at which eviction begins. Default 0.9. */
  readonly highWater?: number;
  /** Share of the capacity at which it ends. Default 0.8. */
  readonly lowWater?: number;
  /** Asked to close a blob that is to be evicted, if its user can do without it. Default: nobody can. */
  readonly letGo?: (digest: Digest) => Promise<void>;
  /** How long to wait for another process that has the store, in milliseconds. Default 0. */
  readonly waitForLockMs?: number;
  /** Ends the wait for the lock. */
  readonly signal?: AbortSignal;
  /** Worker threads for whole-file digests, at most. Default 2. */
  readonly digestWorkers?: number;
  /** Default 64 MiB or 1 s: what a power loss costs at most, besides what is written during a flush. */
  readonly flush?: FlushBound;
  /** For tests: a layer over the file operations. */
  readonly fs?: StoreFs;
}

/**
 * Throws `store_locked` where another process has the store, `disk_full`, `disk_io`, and `output_unwritable` where the
 * folder's permissions forbid it.
 */
export async function openBlobStore(options: BlobStoreOptions): Promise<DiskBlobStore> {
  const layout = new Layout(options.folder);
  try {
    for (const folder of [layout.folder, layout.blobsFolder, layout.partialFolder]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
    }
    const { waitForLockMs = 0, signal } = options;
    const lock = await takeOwnerLock(options, {
      path: layout.lockFile,
      waitMs: waitForLockMs,
      ...(signal && { signal }),
    });
    return await assemble(options, layout, lock);
  } catch (error) {
    if (isAbortError(error) || error instanceof AssertionError) throw error;
    throw toStoreError(toAnaxError(error, 'disk_io'), options.folder);
  }
}

/** The folder of the store is no output: people are told which setting it comes from. */
function toStoreError(error: AnaxError, folder: string): AnaxError {
  if (error.code !== 'output_unwritable') return error;
  return new AnaxError(
    error.code,
    `the cache folder ${folder} (${systemErrorCode(error.cause) ?? error.message})`,
    {
      cause: error.cause,
      hint: 'check --cache-dir and its permissions',
    },
  );
}

async function assemble(options: BlobStoreOptions, layout: Layout, lock: OwnerLock): Promise<DiskBlobStore> {
  const { logger, clock, pieceHash, fs = diskFs, flush = DEFAULT_FLUSH } = options;
  let index: IndexDatabase | undefined;
  try {
    index = await openIndex(fs, logger, layout.indexFile);
    const catalog = new Catalog({ index, clock, logger });
    catalog.load(await reconcile({ fs, layout, index, clock, logger }));
    const pins = await loadPins({ fs, layout }, logger);
    const placer = new SmallFilePlacer();
    const names = await openTemporaryNames(fs, layout);
    const digests = new DigestPool(options.digestWorkers ?? 2);
    const deps = {
      fs,
      layout,
      index,
      lock,
      clock,
      logger,
      pieceHash,
      flush,
      catalog,
      digests,
      pins,
      names,
      placer,
    };
    const letGo = options.letGo ?? (async () => undefined);
    return new DiskStore(deps, { capacity: capacityOf(options), letGo });
  } catch (error) {
    index?.close();
    lock.release();
    throw error;
  }
}

function capacityOf({ capacityBytes, highWater = 0.9, lowWater = 0.8 }: BlobStoreOptions) {
  return capacityBytes === undefined ? undefined : { bytes: capacityBytes, high: highWater, low: lowWater };
}
