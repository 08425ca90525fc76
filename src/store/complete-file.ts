// A complete blob on disk, and the two ways between it and a partial one. Both turn on a single rename or unlink in
// `blobs/`, so that a crash leaves one or the other: what remains of the steps before is swept up by `reconcile`.

import { constants } from 'node:fs';
import { dirname } from 'node:path';
import {
  AnaxError,
  type Bitfield,
  type BlobSpec,
  type Digest,
  type PieceHash,
  type PieceProof,
  pieceCount,
  type StoredPart,
  systemErrorCode,
} from '../core/index.ts';
import { DataFile } from './data-file.ts';
import { type Fingerprint, fingerprintOf, sameFingerprint } from './fingerprint.ts';
import { createJournal } from './journal.ts';
import type { JournalRecord } from './journal-format.ts';
import type { Layout } from './layout.ts';
import type { PartialFile } from './partial-file.ts';
import type { ProofTable } from './proof-table.ts';
import { decodeSidecar, encodeSidecar, type Sidecar } from './sidecar.ts';
import {
  readFully,
  readIfThere,
  removeFile,
  type StoreFile,
  type StoreFs,
  syncFolder,
  writeDurably,
} from './store-fs.ts';
import { verifyPieces } from './verify-pieces.ts';

export interface CompleteDeps {
  readonly fs: StoreFs;
  readonly layout: Layout;
  readonly pieceHash: PieceHash;
}

export class CompleteFile {
  readonly kind = 'complete';
  readonly spec: BlobSpec;
  readonly data: DataFile;
  readonly proofs: ProofTable;
  aliases: readonly Digest[];
  readonly parts: readonly StoredPart[];
  fingerprint: Fingerprint;
  readonly #deps: CompleteDeps;
  #lastSave: Promise<void> = Promise.resolve();
  #nextSave: Promise<void> | undefined;

  constructor(deps: CompleteDeps, data: DataFile, { spec, aliases, parts, proofs, fingerprint }: Sidecar) {
    this.#deps = deps;
    this.data = data;
    this.spec = spec;
    this.aliases = aliases;
    this.parts = parts;
    this.proofs = proofs;
    this.fingerprint = fingerprint;
  }

  get file(): StoreFile {
    return this.data.handle;
  }

  async read(index: number, offset: number, target: Uint8Array): Promise<void> {
    const whole = await readFully(this.file, target, index * this.spec.pieceLengthBytes + offset);
    // After the read, so that it covers every change made before the bytes were taken.
    const now = fingerprintOf(await this.file.stat({ bigint: true }));
    if (whole && sameFingerprint(now, this.fingerprint)) return;
    throw new AnaxError('piece_corrupt', `the file of ${this.spec.digest} was changed from outside`);
  }

  async setProof(index: number, proof: PieceProof): Promise<void> {
    this.proofs.set(index, proof);
    await this.save();
  }

  /** Writes the sidecar as it is now. Those who ask while one is being written share the next. */
  save(): Promise<void> {
    if (this.#nextSave) return this.#nextSave;
    const save = this.#lastSave
      .catch(() => undefined)
      .then(async () => {
        this.#nextSave = undefined;
        await writeSidecar(this.#deps, this);
      });
    this.#nextSave = save;
    this.#lastSave = save;
    return save;
  }

  async close(): Promise<void> {
    await this.#lastSave.catch(() => undefined);
    await this.data.close();
  }
}

/** `undefined` where the blob or its sidecar is missing or not whole. */
export async function loadComplete(
  deps: CompleteDeps,
  digest: Digest,
  fingerprint: Fingerprint,
): Promise<CompleteFile | undefined> {
  const sidecar = await readSidecar(deps.fs, deps.layout, digest);
  if (!sidecar) return undefined;
  try {
    const file = await deps.fs.open(deps.layout.blob(digest), 'r');
    return new CompleteFile(deps, new DataFile(file), { ...sidecar, fingerprint });
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export async function readSidecar(fs: StoreFs, layout: Layout, digest: Digest): Promise<Sidecar | undefined> {
  const bytes = await readIfThere(fs, layout.sidecar(digest));
  const sidecar = bytes && decodeSidecar(bytes);
  return sidecar?.spec.digest === digest ? sidecar : undefined;
}

async function writeSidecar({ fs, layout }: CompleteDeps, sidecar: Sidecar): Promise<void> {
  await writeDurably(fs, layout.sidecar(sidecar.spec.digest), encodeSidecar(sidecar));
}

/**
 * Makes a full partial blob complete. Data durable → sidecar durable → rename (from here on it is complete). A file that
 * lies in the blob's place without being in the catalog was never vouched for, so the rename replaces it. The data file
 * stays open. `settlePromoted` is to follow.
 */
export async function promote(
  deps: CompleteDeps,
  partial: PartialFile,
  names: Pick<Sidecar, 'aliases' | 'parts'>,
): Promise<CompleteFile> {
  const { fs, layout } = deps;
  const { spec, data, proofs } = partial;
  await partial.flush();
  const fingerprint = fingerprintOf(await data.handle.stat({ bigint: true }));
  await makeShard(fs, layout, spec.digest);
  const complete = new CompleteFile(deps, data, { spec, ...names, proofs, fingerprint });
  await complete.save();
  await fs.rename(layout.partial(spec.digest), layout.blob(spec.digest));
  return complete;
}

/** What follows the rename: read-only, names durable, journal away. A failure takes nothing back; `reconcile` does the same. */
export async function settlePromoted({ fs, layout }: CompleteDeps, digest: Digest): Promise<void> {
  await fs.chmod(layout.blob(digest), 0o444);
  await syncFolder(fs, layout.shardFolder(digest));
  await removeFile(fs, layout.journal(digest));
  await syncFolder(fs, layout.partialFolder);
}

async function makeShard(fs: StoreFs, layout: Layout, digest: Digest): Promise<void> {
  const folder = layout.shardFolder(digest);
  const made = await fs.mkdir(folder, { recursive: true, mode: 0o700 });
  if (made === undefined) return;
  await syncFolder(fs, layout.blobsFolder);
  await syncFolder(fs, dirname(folder));
}

/**
 * Makes a complete blob partial, with the pieces of `keep` in its journal. An intact file (no change from outside; a
 * piece that reads wrong has rotted) stays where it is: what is fetched again mends the outputs that are linked to it,
 * and the other pieces are known to be on the disk. Of a changed file whoever loads it hashes them, and where an output
 * is linked to it the data moves to a file of its own, so that nobody's change is taken back. `settleDemoted` is to follow.
 */
export async function demote(
  deps: CompleteDeps,
  { spec, proofs }: CompleteFile,
  keep: Bitfield,
  isIntact: boolean,
): Promise<void> {
  const { fs, layout } = deps;
  const pieces = Array.from(
    keep.values(),
    (index): JournalRecord => ({ kind: 'piece', index, proof: proofs.get(index) }),
  );
  const journal = await createJournal(fs, layout.journal(spec.digest), spec);
  try {
    await journal.append(isIntact ? [...pieces, { kind: 'sync', covered: pieces.length }] : pieces);
    await journal.sync();
  } finally {
    await journal.close();
  }
  try {
    await moveOut(deps, spec, isIntact);
  } catch (error) {
    await removeFile(fs, layout.partial(spec.digest));
    await removeFile(fs, layout.journal(spec.digest));
    throw error;
  }
}

async function moveOut(
  { fs, layout }: CompleteDeps,
  { digest, sizeBytes }: BlobSpec,
  isIntact: boolean,
): Promise<void> {
  const blob = layout.blob(digest);
  const partial = layout.partial(digest);
  const isLinked = (await fs.stat(blob)).nlink > 1;
  if (isLinked && !isIntact) {
    await removeFile(fs, partial);
    await fs.copyFile(blob, partial, constants.COPYFILE_FICLONE);
    await fs.chmod(partial, 0o600);
    await resize(fs, partial, sizeBytes);
    await removeFile(fs, blob);
  } else {
    await fs.chmod(blob, isLinked ? 0o644 : 0o600);
    await resize(fs, blob, sizeBytes);
    await fs.rename(blob, partial);
  }
}

/** Whoever changed the file may have made it shorter or longer. */
async function resize(fs: StoreFs, path: string, sizeBytes: number): Promise<void> {
  if ((await fs.stat(path)).size === sizeBytes) return;
  const handle = await fs.open(path, 'r+');
  try {
    await handle.truncate(sizeBytes);
  } finally {
    await handle.close();
  }
}

export async function settleDemoted({ fs, layout }: CompleteDeps, digest: Digest): Promise<void> {
  await removeFile(fs, layout.sidecar(digest));
  await syncFolder(fs, layout.partialFolder);
  await syncFolder(fs, layout.shardFolder(digest));
}

/** The pieces of a blob whose file was changed that still have their digests, and how the file looked before the check. */
export async function inspect(
  { pieceHash }: CompleteDeps,
  complete: CompleteFile,
): Promise<{ wrong: number[]; fingerprint: Fingerprint }> {
  const fingerprint = fingerprintOf(await complete.file.stat({ bigint: true }));
  const all = Array.from({ length: pieceCount(complete.spec) }, (_, index) => index);
  return { wrong: await verifyPieces(pieceHash, complete, all), fingerprint };
}
