// One blob while it is open, shared by all who have it open. It owns which files stand behind it (partial or complete,
// and the change from one to the other) and who may use them at the same time. `held` stays the same object throughout.

import {
  AnaxError,
  assert,
  Bitfield,
  type BlobSpec,
  type Digest,
  digestOf,
  type FileSpan,
  MIN_PIECE_LENGTH_BYTES,
  type PieceProof,
  type PieceSpan,
  pieceCount,
  pieceSize,
  type StoredPart,
  type WholeDigests,
} from '../core/index.ts';
import { removeBlobFiles } from './blob-files.ts';
import type { Catalog } from './catalog.ts';
import {
  type CompleteFile,
  demote,
  inspect,
  promote,
  settleDemoted,
  settlePromoted,
} from './complete-file.ts';
import { DigestFollower } from './digest-follower.ts';
import type { DigestPool } from './digest-pool.ts';
import { fingerprintOf, markOf, sameFingerprint } from './fingerprint.ts';
import { Gate } from './gate.ts';
import { createPartial, loadPartial, type PartialDeps, type PartialFile } from './partial-file.ts';
import { assertProof } from './proof-table.ts';
import { onDisk, statIfThere } from './store-fs.ts';

/** Up to here, one piece, a whole blob is hashed right here in some 2 ms: starting a worker costs fifty times that. */
const INLINE_DIGEST_BYTES = MIN_PIECE_LENGTH_BYTES;

export interface SharedBlobDeps extends PartialDeps {
  readonly catalog: Catalog;
  readonly digests: DigestPool;
  /** The blob is not the store's any more: discarded, or its file was deleted from outside. */
  readonly onGone: (blob: SharedBlob) => void;
  /** The files could not be opened again: this object is of no use, while the blob may be. */
  readonly onLost: (blob: SharedBlob) => void;
}

export class SharedBlob {
  readonly spec: BlobSpec;
  readonly held: Bitfield;
  /** How many handles are open. Counted by the store. */
  users = 0;
  readonly #deps: SharedBlobDeps;
  readonly #gate = new Gate();
  readonly #writing = new Map<number, Promise<void>>();
  readonly #follower: DigestFollower;
  #files: PartialFile | CompleteFile | undefined;

  constructor(deps: SharedBlobDeps, files: PartialFile | CompleteFile) {
    this.#deps = deps;
    this.#files = files;
    this.spec = files.spec;
    this.held = files.kind === 'partial' ? files.held : Bitfield.full(pieceCount(files.spec));
    this.#follower = new DigestFollower({
      pool: deps.digests,
      spec: this.spec,
      held: this.held,
      openData: () => this.#gate.shared(() => onDisk(() => deps.fs.open(this.#dataPath(), 'r'))),
    });
  }

  get state(): 'partial' | 'complete' {
    return this.#files?.kind ?? 'partial';
  }

  proof(index: number): PieceProof | undefined {
    return this.#files && this.held.has(index) ? this.#files.proofs.get(index) : undefined;
  }

  async setProof(index: number, proof: PieceProof): Promise<void> {
    assertProof(proof);
    await this.#shared(async (files) => {
      this.#assertHeld(index);
      assert(files.proofs.digest(index).equals(proof.digest), 'the new proof is of the same piece');
      await files.setProof(index, proof);
    });
  }

  async write(index: number, bytes: Uint8Array, proof: PieceProof): Promise<void> {
    assertProof(proof);
    assert(bytes.length === pieceSize(this.spec, index), 'a piece is written whole');
    await this.#take(index, (files) => files.write(index, bytes, proof));
  }

  async fill(index: number, proof: PieceProof, put: (place: FileSpan) => Promise<void>): Promise<void> {
    assertProof(proof);
    await this.#take(index, (files) => files.fill(index, proof, put));
  }

  async #take(index: number, write: (files: PartialFile) => Promise<void>): Promise<void> {
    if (this.held.has(index)) return;
    // Verified bytes of one piece are the same bytes, whoever brings them: the second writer waits for the first.
    const running = this.#writing.get(index) ?? this.#write(index, write);
    await running;
  }

  #write(index: number, write: (files: PartialFile) => Promise<void>): Promise<void> {
    const work = this.#shared(async (files) => {
      if (files.kind === 'complete' || this.held.has(index)) return;
      await write(files);
      this.#follower.advanced();
    }).finally(() => this.#writing.delete(index));
    this.#writing.set(index, work);
    return work;
  }

  async read(index: number, offset: number, target: Uint8Array): Promise<void> {
    assert(offset >= 0 && offset + target.length <= pieceSize(this.spec, index), 'a read stays in its piece');
    this.#deps.catalog.used(this.spec.digest);
    await this.#shared(async (files) => {
      this.#assertHeld(index);
      await files.read(index, offset, target);
    });
  }

  span(index: number): PieceSpan {
    const files = this.#present();
    this.#assertHeld(index);
    this.#deps.catalog.used(this.spec.digest);
    const release = files.data.borrow();
    const offsetBytes = index * this.spec.pieceLengthBytes;
    const { fd } = files.data.handle;
    return {
      fd,
      offsetBytes,
      ...(files.kind === 'complete' && { mark: markOf(files.fingerprint) }),
      release,
    };
  }

  async wholeDigests(signal: AbortSignal): Promise<WholeDigests> {
    this.#present();
    signal.throwIfAborted();
    if (this.spec.sizeBytes > INLINE_DIGEST_BYTES || !this.held.isFull)
      return await this.#follower.wait(signal);
    const bytes = Buffer.allocUnsafe(this.spec.sizeBytes);
    await this.read(0, 0, bytes);
    return { sha256: digestOf('sha256', bytes), gitSha1: digestOf('git-sha1', bytes) };
  }

  async commit(aliases: readonly Digest[], parts: readonly StoredPart[] = []): Promise<void> {
    await this.#exclusive(async (files) => {
      if (files.kind === 'complete') return await this.#addAliases(files, aliases);
      if (!this.held.isFull && files.lossError) throw files.lossError;
      assert(this.held.isFull, 'only a blob with all its pieces can be committed');
      const complete = await promote(this.#deps, files, { aliases: this.#others(aliases), parts });
      this.#files = complete;
      this.#enter(complete);
      await this.#afterwards(async () => {
        await files.closeJournal();
        await settlePromoted(this.#deps, this.spec.digest);
      });
    });
  }

  async #addAliases(files: CompleteFile, aliases: readonly Digest[]): Promise<void> {
    const all = this.#others([...files.aliases, ...aliases]);
    if (all.length === files.aliases.length) return;
    files.aliases = all;
    await files.save();
    this.#enter(files);
  }

  #others(aliases: readonly Digest[]): Digest[] {
    return [...new Set(aliases)].filter((alias) => alias !== this.spec.digest);
  }

  #enter(complete: CompleteFile): void {
    const { spec, aliases, parts, fingerprint } = complete;
    const lastUsedAtMs = this.#deps.clock.now();
    this.#deps.catalog.put({ state: 'complete', spec, aliases, parts, fingerprint, lastUsedAtMs });
  }

  async drop(indexes: readonly number[]): Promise<void> {
    await this.#exclusive(async (files) => {
      const held = [...new Set(indexes)].filter((index) => this.held.has(index));
      if (held.length === 0) return;
      if (files.kind === 'complete') return await this.#demote(files, held, await this.#isIntact(files));
      await files.drop(held);
      this.#follower.dropped(held);
    });
  }

  /**
   * Looks whether the file is still the one that was committed. A changed one is hashed piece by piece: with all pieces
   * good it is taken as it is, else the blob becomes partial with the good ones. With a deleted one the blob is gone or,
   * where others have it open, partial with no piece.
   */
  async recheck(): Promise<void> {
    await this.#exclusive(async (files) => {
      if (files.kind === 'partial') return;
      const stats = await statIfThere(this.#deps.fs, this.#dataPath());
      if (!stats)
        return await (this.users > 1 ? this.#goOn(files, () => this.#startOver()) : this.#vanish(files));
      if (!sameFingerprint(fingerprintOf(stats), files.fingerprint)) await this.#distrust(files);
    });
  }

  /** Whether the file in the blob's place is, by its looks, the one that was committed. */
  async #isIntact({ fingerprint }: CompleteFile): Promise<boolean> {
    const stats = await statIfThere(this.#deps.fs, this.#dataPath());
    return stats !== undefined && sameFingerprint(fingerprintOf(stats), fingerprint);
  }

  async #distrust(files: CompleteFile): Promise<void> {
    const { wrong, fingerprint } = await inspect(this.#deps, files);
    const { digest, sizeBytes } = this.spec;
    this.#deps.logger.warn('the file of a blob was changed from outside', {
      digest,
      wrongPieces: wrong.length,
    });
    // An open file that did not change means that another one is in its place.
    const replaced = sameFingerprint(fingerprint, files.fingerprint);
    if (wrong.length > 0 || fingerprint.sizeBytes !== sizeBytes || replaced) {
      return await this.#demote(files, wrong, false);
    }
    files.fingerprint = fingerprint;
    await files.save();
    this.#enter(files);
  }

  async #demote(files: CompleteFile, wrong: readonly number[], isIntact: boolean): Promise<void> {
    const keep = this.held.clone();
    for (const index of wrong) keep.delete(index);
    await demote(this.#deps, files, keep, isIntact);
    const { spec, held } = this;
    await this.#goOn(files, async () => {
      await this.#afterwards(() => settleDemoted(this.#deps, spec.digest));
      return (await loadPartial(this.#deps, spec, held)) ?? (await this.#startOver());
    });
  }

  /** From the files of a complete blob to those of a partial one, for all who have it open. */
  async #goOn(files: CompleteFile, next: () => Promise<PartialFile>): Promise<void> {
    const { spec, held } = this;
    this.#deps.catalog.put({ state: 'partial', spec, held, lastUsedAtMs: this.#deps.clock.now() });
    this.#files = undefined;
    try {
      await files.close();
      this.#files = await next();
      this.#follower.replaced();
    } catch (error) {
      this.#follower.stop(error);
      this.#deps.onLost(this);
      throw error;
    }
  }

  async #startOver(): Promise<PartialFile> {
    for (const index of this.held.values()) this.held.delete(index);
    await removeBlobFiles(this.#deps, this.spec.digest);
    return await createPartial(this.#deps, this.spec, this.held);
  }

  async discard(): Promise<void> {
    await this.#exclusive((files) => this.#vanish(files));
  }

  async #vanish(files: PartialFile | CompleteFile): Promise<void> {
    this.#files = undefined;
    this.#follower.stop(this.#goneError());
    for (const index of this.held.values()) this.held.delete(index);
    this.#deps.onGone(this);
    await files.close();
    await removeBlobFiles(this.#deps, this.spec.digest);
  }

  /** Flushes and closes the files; the blob object is of no use after it. Idempotent. */
  async shut(): Promise<void> {
    this.#follower.stop(new DOMException('the blob was closed', 'AbortError'));
    await this.#gate.exclusive(async () => {
      const files = this.#files;
      this.#files = undefined;
      if (files?.kind === 'partial') await this.#afterwards(() => files.flush());
      await this.#afterwards(async () => await files?.close());
    });
  }

  /** For steps whose failure takes nothing back: it is logged. */
  async #afterwards(work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => {
      this.#deps.logger.warn('the store could not tidy up', {
        digest: this.spec.digest,
        error: String(error),
      });
    });
  }

  #shared<T>(work: (files: PartialFile | CompleteFile) => Promise<T>): Promise<T> {
    return this.#gate.shared(() => onDisk(() => work(this.#present())));
  }

  #exclusive<T>(work: (files: PartialFile | CompleteFile) => Promise<T>): Promise<T> {
    return this.#gate.exclusive(() => onDisk(() => work(this.#present())));
  }

  #present(): PartialFile | CompleteFile {
    if (this.#files) return this.#files;
    throw this.#goneError();
  }

  #goneError(): AnaxError {
    return new AnaxError('blob_not_found', `${this.spec.digest} was discarded or closed`);
  }

  #assertHeld(index: number): void {
    // Not an assertion: a peer may ask for a piece in the moment in which it is dropped.
    if (!this.held.has(index)) throw new AnaxError('blob_not_found', `piece ${index} is not held`);
  }

  #dataPath(): string {
    const { layout } = this.#deps;
    const { kind } = this.#present();
    return kind === 'complete' ? layout.blob(this.spec.digest) : layout.partial(this.spec.digest);
  }
}
