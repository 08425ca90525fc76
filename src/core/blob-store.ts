// The port to the content-addressed store of one host. A blob is partial until every piece is in and its verdict is
// known, then complete and read-only. Callers verify; the store never loses or mixes up what it was given.

import type { PieceProof } from './attestation.ts';
import type { Bitfield } from './bitfield.ts';
import { MiB } from './bytes.ts';
import { type Digest, digestAlgorithm } from './digest.ts';
import type { SnapshotId } from './ids.ts';
import type { Manifest } from './manifest.ts';
import type { BlobSpec } from './piece-map.ts';
import type { PinnedRef } from './source.ts';
import type { TemporaryNames } from './temporary-names.ts';

/** A file inside a complete pack that was checked against its digest. */
export interface StoredPart {
  /** All digests of the file, the published one first. */
  readonly digests: readonly [Digest, ...Digest[]];
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface StoredBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly pieceLengthBytes: number;
  /** Other digests of the same bytes. */
  readonly aliases: readonly Digest[];
  /** The files inside a complete pack; none in another blob. */
  readonly parts: readonly StoredPart[];
  /** The pack that the file is inside; absent for a blob of its own. */
  readonly pack?: Digest;
  readonly state: 'partial' | 'complete';
  /** Bytes of verified pieces. */
  readonly heldBytes: number;
  readonly lastUsedAtMs: number;
}

/** Hubs keep files of at most some 10 MB in git itself; a larger one that has a sha256 is never asked for by git's id. */
const MAX_GIT_FILE_BYTES = 64 * MiB;

/** Whether git's id of a blob is worth its hashing, which costs as much again as the sha256. */
export function wantsGitSha1({ digest, sizeBytes }: BlobSpec): boolean {
  return digestAlgorithm(digest) === 'git-sha1' || sizeBytes <= MAX_GIT_FILE_BYTES;
}

/** Digests of a whole file, computed over what is on disk. */
export interface WholeDigests {
  readonly sha256: Digest;
  /** Absent for a large blob that is not known by it. */
  readonly gitSha1?: Digest;
}

/** A place in an open file. The number means that file in all threads of the process. */
export interface FileSpan {
  readonly fd: number;
  readonly offsetBytes: number;
}

/** How a file looked that nobody may write to: where it looks otherwise, somebody did. */
export interface FileMark {
  readonly sizeBytes: number;
  /** Of the last change, in nanoseconds since the Unix epoch. */
  readonly mtimeNs: bigint;
}

/** Where a held piece can be read. */
export interface PieceSpan extends FileSpan {
  /** What was read before the file looks otherwise is good. Absent where only this host's store writes to it. */
  readonly mark?: FileMark;
  /** Until this is called the file stays open. Idempotent. */
  readonly release: () => void;
}

/** One blob, open for reading and writing pieces. Open once per host; users of it are counted. */
export interface OpenBlob {
  readonly spec: BlobSpec;
  readonly state: 'partial' | 'complete';
  /** Verified pieces; live. */
  readonly held: Bitfield;

  /** The proof that came with a held piece. */
  proof(index: number): PieceProof | undefined;

  /** Replaces the proof of a held piece with one of the same digest (after a check of the whole by this host). */
  setProof(index: number, proof: PieceProof): Promise<void>;

  /**
   * Stores a piece that the caller has verified. Resolves when the bytes are written and the journal has it queued;
   * a crash after that loses at most the last unflushed pieces, never the consistency. Writing a held piece is a no-op.
   */
  write(index: number, bytes: Uint8Array, proof: PieceProof): Promise<void>;

  /**
   * Like `write`, but the bytes are put into the file by `put`, which may happen in another thread: the place is good,
   * and nobody else's, until its promise settles. A held piece is not put again; what `put` throws is thrown.
   */
  fill(index: number, proof: PieceProof, put: (place: FileSpan) => Promise<void>): Promise<void>;

  /** The place of a held piece, for whoever reads it; in a complete blob what follows it in the file is the next. Throws `blob_not_found`. Release it. */
  span(index: number): PieceSpan;

  /**
   * Reads `target.length` bytes of a held piece from `offset` in it. Throws `piece_corrupt` where the file was
   * changed behind the store's back, `disk_io`.
   */
  read(index: number, offset: number, target: Uint8Array): Promise<void>;

  /**
   * The digests of the whole content: hashing follows the held prefix as it grows, in a worker, and resolves once the
   * last piece is hashed. Call it early to have the result early.
   */
  wholeDigests(signal: AbortSignal): Promise<WholeDigests>;

  /**
   * Makes a full partial blob complete: durable, read-only, found under its digest and the aliases, and its parts under
   * theirs.
   */
  commit(aliases: readonly Digest[], parts?: readonly StoredPart[]): Promise<void>;

  /** Forgets pieces (found to be wrong) so that they are fetched again. A complete blob becomes partial. */
  drop(indexes: readonly number[]): Promise<void>;

  /** Forgets the blob altogether, partial file, journal and all. */
  discard(): Promise<void>;

  /** Gives up this use; the last one closes the file. Idempotent per handle. */
  close(): Promise<void>;
}

/** What the host knows of a snapshot. */
export interface StoredSnapshot {
  readonly id: SnapshotId;
  readonly ref: PinnedRef;
  readonly manifest: Manifest;
}

/** What is never evicted, under a name that the operator gave: a snapshot's id or a digest. */
export interface Pin {
  readonly name: string;
  readonly digests: readonly Digest[];
}

export interface BlobStore {
  /** For files on their way to an output. */
  readonly temporaryNames: TemporaryNames;

  /** Opens a blob, partial or complete, creating it where absent. The blob is not evicted while open. */
  open(spec: BlobSpec): Promise<OpenBlob>;

  /**
   * A complete blob by its digest or an alias, or a file inside a pack, after checking that the file on disk is the one
   * that was committed.
   */
  find(digest: Digest): Promise<StoredBlob | undefined>;

  /**
   * The bytes of a small file (at most `MAX_PACKED_BYTES`), a blob of its own or inside a pack; `undefined` where it is
   * not held. Throws `piece_corrupt`, `disk_io`.
   */
  readSmall(digest: Digest): Promise<Buffer | undefined>;

  list(): StoredBlob[];

  /** Removes a blob; whether there was one. Throws `store_locked` while it is open. */
  remove(digest: Digest): Promise<boolean>;

  /**
   * Puts a complete blob at an absolute path: reflink, else a read-only hard link whose change is found before the
   * blob is served again, else a copy; a file inside a pack is copied. Atomic; the parent folder must exist. `replace` allows an existing target.
   */
  materialize(digest: Digest, target: string, options: MaterializeOptions): Promise<MaterializeMethod>;

  /** Remembers a snapshot under its pinned ref and its id. */
  putSnapshot(snapshot: StoredSnapshot, refKey: string): Promise<void>;
  snapshot(id: SnapshotId): StoredSnapshot | undefined;
  /** All that are known, the last stored first. */
  snapshots(): StoredSnapshot[];
  /** The snapshot last stored under a key made from a pinned ref (and filters). */
  snapshotByRef(refKey: string): StoredSnapshot | undefined;

  /** Keeps blobs from eviction, by any of their digests, whether they are there or not. Durable on return. */
  pin(pin: Pin): Promise<void>;
  /** Whether there was a pin of this name. */
  unpin(name: string): Promise<boolean>;
  pins(): readonly Pin[];
}

export interface MaterializeOptions {
  readonly replace: boolean;
  /** `copy` gives a private, writable file; `link` allows a reflink or hard link. Default `link`. */
  readonly method?: 'link' | 'copy';
  /**
   * Whether a copy is on the disk before it has its name. If not, a power loss soon after may leave an empty file; the end
   * of the process never does. Default true.
   */
  readonly durable?: boolean;
}

export type MaterializeMethod = 'reflink' | 'hardlink' | 'copy';
