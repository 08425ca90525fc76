// The blob store on a disk. It owns which blobs are open and who waits for whom; what a blob is on disk is SharedBlob's,
// what there is at all the catalog's.

import {
  AnaxError,
  assert,
  type BlobSpec,
  type BlobStore,
  type Digest,
  digestOf,
  type MaterializeMethod,
  type MaterializeOptions,
  type OpenBlob,
  type Pin,
  type SnapshotId,
  type StoredBlob,
  type StoredSnapshot,
  type TemporaryNames,
} from '../core/index.ts';
import { removeBlobFiles, removePartialFiles } from './blob-files.ts';
import { BlobHandle } from './blob-handle.ts';
import { type CatalogEntry, type CompleteEntry, partAsBlob, toStoredBlob } from './catalog.ts';
import { loadComplete } from './complete-file.ts';
import { fingerprintOf, sameFingerprint } from './fingerprint.ts';
import { KeyedLock } from './gate.ts';
import type { IndexDatabase } from './index-database.ts';
import { materializeBytes, materializeFile } from './materialize.ts';
import type { OwnerLock } from './owner-lock.ts';
import { createPartial, loadPartial, type PartialFile, sameSpec } from './partial-file.ts';
import type { Pins } from './pins.ts';
import { Room, type RoomOptions } from './room.ts';
import { SharedBlob, type SharedBlobDeps } from './shared-blob.ts';
import type { SmallFilePlacer } from './small-file-placer.ts';
import { SmallFiles } from './small-files.ts';
import { onDisk, statIfThere } from './store-fs.ts';

export interface StoreStats {
  readonly completeBlobs: number;
  readonly completeBytes: number;
  readonly partialBlobs: number;
  /** Of verified pieces. */
  readonly partialHeldBytes: number;
  readonly openBlobs: number;
  /** Since the store was opened. */
  readonly evictedBlobs: number;
}

export interface DiskBlobStore extends BlobStore {
  /** Flushes and closes everything, and gives the lock back. Handles are of no use after it. Idempotent. */
  stop(): Promise<void>;
  stats(): StoreStats;
}

export interface DiskStoreDeps extends Omit<SharedBlobDeps, 'onGone' | 'onLost'> {
  readonly index: IndexDatabase;
  readonly pins: Pins;
  readonly lock: OwnerLock;
  readonly names: TemporaryNames;
  readonly placer: SmallFilePlacer;
}

const EMPTY_DIGESTS: ReadonlySet<Digest> = new Set([
  digestOf('sha256', new Uint8Array(0)),
  digestOf('git-sha1', new Uint8Array(0)),
]);

export class DiskStore implements DiskBlobStore {
  readonly #deps: DiskStoreDeps;
  readonly #blobDeps: SharedBlobDeps;
  readonly #open = new Map<Digest, SharedBlob>();
  readonly #locks = new KeyedLock<Digest>();
  /** How many materializations read a blob's file right now. */
  readonly #reading = new Map<Digest, number>();
  readonly #smallFiles: SmallFiles;
  readonly #room: Room;
  #stopping: Promise<void> | undefined;

  constructor(deps: DiskStoreDeps, options: RoomOptions) {
    this.#deps = deps;
    this.#blobDeps = {
      ...deps,
      onGone: (blob) => this.#forget(blob),
      onLost: (blob) => this.#detach(blob),
    };
    this.#smallFiles = new SmallFiles({ ...deps, open: (spec) => this.open(spec) });
    this.#room = new Room(deps, options, {
      isOpen: (digest) => this.#open.has(digest),
      remove: (digest) => this.remove(digest),
    });
  }

  get temporaryNames(): TemporaryNames {
    return this.#deps.names;
  }

  async open(asked: BlobSpec): Promise<OpenBlob> {
    assert(asked.sizeBytes > 0, 'an empty blob has no pieces and is not opened');
    const { digest, sizeBytes, pieceLengthBytes } = asked;
    const spec: BlobSpec = { digest, sizeBytes, pieceLengthBytes };
    for (;;) {
      this.#assertRunning();
      const key = this.#deps.catalog.resolve(digest);
      const handle = await this.#locks.run(key, () => onDisk(() => this.#openAs(key, spec)));
      if (handle) return handle;
    }
  }

  /** `undefined` where the blob turned out to be gone or to be kept under another digest: look again. */
  async #openAs(key: Digest, spec: BlobSpec): Promise<OpenBlob | undefined> {
    if (this.#deps.catalog.resolve(spec.digest) !== key) return undefined;
    const blob = await this.#acquire(key, spec);
    if (!blob) return undefined;
    try {
      assertSameCut(blob.spec, spec);
      await blob.recheck();
    } catch (error) {
      await this.#release(blob);
      throw error;
    }
    const entry = this.#deps.catalog.get(key);
    if (!entry) {
      await this.#release(blob);
      return undefined;
    }
    this.#deps.catalog.touch(entry);
    return new BlobHandle(blob, () => this.#locks.run(key, () => this.#release(blob)));
  }

  /** Under the blob's lock. */
  async #acquire(key: Digest, spec: BlobSpec): Promise<SharedBlob | undefined> {
    let blob = this.#open.get(key);
    if (!blob) {
      const entry = this.#deps.catalog.get(key);
      const files =
        entry?.state === 'complete' ? await this.#loadComplete(entry) : await this.#partial(spec, entry);
      if (!files) return undefined;
      blob = new SharedBlob(this.#blobDeps, files);
      this.#open.set(key, blob);
    }
    blob.users += 1;
    return blob;
  }

  async #release(blob: SharedBlob): Promise<void> {
    blob.users -= 1;
    if (blob.users > 0) return;
    this.#detach(blob);
    await blob.shut();
    await this.#sweep(blob);
  }

  /** A partial blob in which nothing came in leaves nothing behind. */
  async #sweep({ spec: { digest }, held }: SharedBlob): Promise<void> {
    if (held.count > 0 || this.#deps.catalog.get(digest)?.state !== 'partial') return;
    this.#deps.catalog.remove(digest);
    await removePartialFiles(this.#deps, digest);
  }

  #forget(blob: SharedBlob): void {
    if (this.#detach(blob)) this.#deps.catalog.remove(blob.spec.digest);
  }

  /** Whether the blob was the open one of its digest. */
  #detach(blob: SharedBlob): boolean {
    const { digest } = blob.spec;
    return this.#open.get(digest) === blob && this.#open.delete(digest);
  }

  async #loadComplete(entry: CompleteEntry): ReturnType<typeof loadComplete> {
    const { digest } = entry.spec;
    const files = await loadComplete(this.#deps, digest, entry.fingerprint);
    if (files) return files;
    this.#deps.logger.warn('the files of a blob are missing or damaged; it is removed', { digest });
    this.#deps.catalog.remove(digest);
    await removeBlobFiles(this.#deps, digest);
    return undefined;
  }

  async #partial(spec: BlobSpec, entry: CatalogEntry | undefined): Promise<PartialFile> {
    const { catalog } = this.#deps;
    if (entry?.state === 'partial' && sameSpec(entry.spec, spec)) {
      const loaded = await loadPartial(this.#deps, spec, entry.held);
      if (loaded) return loaded;
    }
    const fresh = await this.#room.reserve(spec);
    try {
      return await createPartial(this.#deps, spec, fresh.held);
    } catch (error) {
      catalog.remove(spec.digest);
      await removePartialFiles(this.#deps, spec.digest).catch(() => undefined);
      throw error;
    }
  }

  async find(digest: Digest): Promise<StoredBlob | undefined> {
    const entry = await this.#findChecked(digest);
    if (entry) return toStoredBlob(entry);
    const found = this.#deps.catalog.part(digest);
    if (!found || !(await this.#findChecked(found.entry.spec.digest))) return undefined;
    // The check may have found the pack damaged.
    const still = this.#deps.catalog.part(digest);
    return still && partAsBlob(still);
  }

  async readSmall(digest: Digest): Promise<Buffer | undefined> {
    return await this.#smallFiles.read(digest);
  }

  async #findChecked(digest: Digest): Promise<CompleteEntry | undefined> {
    this.#assertRunning();
    const { catalog } = this.#deps;
    const key = catalog.resolve(digest);
    if (catalog.get(key)?.state !== 'complete') return undefined;
    return await this.#locks.run(key, async () => {
      await onDisk(() => this.#check(key));
      const entry = catalog.get(key);
      if (entry?.state !== 'complete') return undefined;
      catalog.touch(entry);
      return entry;
    });
  }

  /** Under the blob's lock: leaves it complete only if its file is the one that was committed. */
  async #check(key: Digest): Promise<void> {
    const entry = this.#deps.catalog.get(key);
    if (entry?.state !== 'complete') return;
    const stats = await statIfThere(this.#deps.fs, this.#deps.layout.blob(key));
    if (stats && sameFingerprint(fingerprintOf(stats), entry.fingerprint)) return;
    const blob = await this.#acquire(key, entry.spec);
    if (!blob) return;
    try {
      await blob.recheck();
    } finally {
      await this.#release(blob);
    }
  }

  list(): StoredBlob[] {
    return [...this.#deps.catalog.entries()].map(toStoredBlob);
  }

  async remove(digest: Digest): Promise<boolean> {
    this.#assertRunning();
    const key = this.#deps.catalog.resolve(digest);
    return await this.#locks.run(key, async () => {
      if (!this.#deps.catalog.get(key)) return false;
      if (this.#isBusy(key))
        throw new AnaxError('store_locked', `${key} is in use`, { hint: 'try again later' });
      this.#deps.catalog.remove(key);
      await onDisk(() => removeBlobFiles(this.#deps, key));
      return true;
    });
  }

  #isBusy(digest: Digest): boolean {
    return this.#open.has(digest) || this.#reading.has(digest);
  }

  async materialize(digest: Digest, target: string, options: MaterializeOptions): Promise<MaterializeMethod> {
    const { layout } = this.#deps;
    if (EMPTY_DIGESTS.has(digest))
      return await materializeBytes(this.#deps, new Uint8Array(0), target, options);
    const entry = await this.#findChecked(digest);
    if (!entry) return await this.#smallFiles.materialize(digest, target, options);
    const key = entry.spec.digest;
    this.#reading.set(key, (this.#reading.get(key) ?? 0) + 1);
    try {
      return await materializeFile(this.#deps, layout.blob(key), target, options);
    } finally {
      const left = (this.#reading.get(key) ?? 1) - 1;
      if (left > 0) this.#reading.set(key, left);
      else this.#reading.delete(key);
    }
  }

  // oxlint-disable-next-line typescript/require-await -- the port is asynchronous, SQLite here is not
  async putSnapshot(snapshot: StoredSnapshot, refKey: string): Promise<void> {
    this.#assertRunning();
    const pinned = this.#deps.pins.list().map(({ name }) => name);
    this.#deps.index.putSnapshot(snapshot, refKey, pinned);
  }

  snapshot(id: SnapshotId): StoredSnapshot | undefined {
    this.#assertRunning();
    return this.#deps.index.snapshot(id);
  }

  snapshots(): StoredSnapshot[] {
    this.#assertRunning();
    return this.#deps.index.snapshots();
  }

  snapshotByRef(refKey: string): StoredSnapshot | undefined {
    this.#assertRunning();
    const id = this.#deps.index.snapshotIdOf(refKey);
    return id === undefined ? undefined : this.#deps.index.snapshot(id);
  }

  async pin(pin: Pin): Promise<void> {
    this.#assertRunning();
    await onDisk(() => this.#deps.pins.put(pin));
  }

  async unpin(name: string): Promise<boolean> {
    this.#assertRunning();
    return await onDisk(() => this.#deps.pins.remove(name));
  }

  pins(): readonly Pin[] {
    return this.#deps.pins.list();
  }

  stats(): StoreStats {
    const blobs = this.list();
    const complete = blobs.filter(({ state }) => state === 'complete');
    const partial = blobs.filter(({ state }) => state === 'partial');
    const sum = (some: readonly StoredBlob[]): number =>
      some.reduce((bytes, blob) => bytes + blob.heldBytes, 0);
    return {
      completeBlobs: complete.length,
      completeBytes: sum(complete),
      partialBlobs: partial.length,
      partialHeldBytes: sum(partial),
      openBlobs: this.#open.size,
      evictedBlobs: this.#room.evictedBlobs,
    };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    await Promise.all([...this.#open.values()].map((blob) => blob.shut()));
    await this.#deps.digests.stop();
    await this.#deps.placer.stop();
    this.#deps.index.close();
    this.#deps.lock.release();
  }

  #assertRunning(): void {
    if (this.#stopping) throw new AnaxError('interrupted', 'the store is stopped');
  }
}

/** A stored blob keeps its cut: its proofs are over that one. Opened by an alias, only size and cut have to agree. */
function assertSameCut(stored: BlobSpec, asked: BlobSpec): void {
  if (stored.sizeBytes !== asked.sizeBytes) {
    throw new AnaxError(
      'digest_mismatch',
      `${asked.digest} has ${stored.sizeBytes} bytes, not ${asked.sizeBytes}`,
    );
  }
  if (stored.pieceLengthBytes !== asked.pieceLengthBytes) {
    throw new AnaxError(
      'peer_protocol',
      `${asked.digest} is stored in pieces of ${stored.pieceLengthBytes} bytes`,
    );
  }
}
