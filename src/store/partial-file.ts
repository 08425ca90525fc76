// A partial blob on disk: the data file and its journal, and the order between them that makes it crash-safe.
//
//   write   data into the page cache, then its record: after kill -9 every recorded piece has its data.
//   flush   fdatasync of the data, then a sync record, then fdatasync of the journal: after a power loss every piece
//           that a sync record covers has its data.
//   load    pieces that no sync record covers are hashed again, so it does not matter what kind of stop it was.
//
// A flush begins when 64 MiB are unflushed, or 1 s after the first of them: a power loss costs that much, and what is
// written while the flush runs.

import {
  AnaxError,
  Bitfield,
  type BlobSpec,
  type Clock,
  type FileSpan,
  isAbortError,
  type Logger,
  MiB,
  type PieceHash,
  type PieceProof,
  pieceCount,
  pieceSize,
} from '../core/index.ts';
import { removePartialFiles } from './blob-files.ts';
import { DataFile } from './data-file.ts';
import { continueJournal, createJournal, type Journal } from './journal.ts';
import { decodeJournal, type JournalContent, type JournalState, replay } from './journal-format.ts';
import type { Layout } from './layout.ts';
import type { ProofTable } from './proof-table.ts';
import {
  readFully,
  readIfThere,
  type StoreFile,
  type StoreFs,
  statIfThere,
  syncFolder,
  writeFully,
} from './store-fs.ts';
import { verifyPieces } from './verify-pieces.ts';

export interface PartialDeps {
  readonly fs: StoreFs;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pieceHash: PieceHash;
  readonly flush: FlushBound;
}

/** When unflushed data is flushed, whichever comes first. */
export interface FlushBound {
  readonly bytes: number;
  readonly ms: number;
}

export const DEFAULT_FLUSH: FlushBound = { bytes: 64 * MiB, ms: 1000 };

interface PartialFiles {
  readonly file: StoreFile;
  readonly journal: Journal;
}

export class PartialFile {
  readonly kind = 'partial';
  readonly spec: BlobSpec;
  readonly held: Bitfield;
  readonly proofs: ProofTable;
  readonly data: DataFile;
  readonly #deps: PartialDeps;
  readonly #journal: Journal;
  readonly #timer = new AbortController();
  #unsynced: Set<number>;
  #unsyncedBytes = 0;
  #timerRunning = false;
  #flushing: Promise<void> | undefined;
  #namesDurable = false;
  #losses = 0;
  #lossError: Error | undefined;
  readonly #owedDrops = new Set<readonly number[]>();

  constructor(deps: PartialDeps, spec: BlobSpec, files: PartialFiles, state: JournalState) {
    this.#deps = deps;
    this.spec = spec;
    this.data = new DataFile(files.file);
    this.#journal = files.journal;
    this.held = state.held;
    this.proofs = state.proofs;
    this.#unsynced = new Set(state.unsynced);
  }

  get file(): StoreFile {
    return this.data.handle;
  }

  async read(index: number, offset: number, target: Uint8Array): Promise<void> {
    const position = index * this.spec.pieceLengthBytes + offset;
    if (!(await readFully(this.file, target, position))) {
      throw new AnaxError('piece_corrupt', `the partial file of ${this.spec.digest} is too short`);
    }
  }

  async write(index: number, bytes: Uint8Array, proof: PieceProof): Promise<void> {
    await this.fill(index, proof, ({ offsetBytes }) => writeFully(this.file, bytes, offsetBytes));
  }

  /** Enters a piece whose bytes `put` writes. */
  async fill(index: number, proof: PieceProof, put: (place: FileSpan) => Promise<void>): Promise<void> {
    if (this.#owedDrops.size > 0) await this.#settleDrops();
    const losses = this.#losses;
    await put({ fd: this.file.fd, offsetBytes: index * this.spec.pieceLengthBytes });
    await this.#journal.append([{ kind: 'piece', index, proof }]);
    if (this.#losses !== losses) {
      // A flush failed meanwhile, and this piece's pages may be among those that it lost.
      await this.drop([index]);
      throw new AnaxError('disk_io', 'a flush failed');
    }
    this.proofs.set(index, proof);
    this.held.add(index);
    this.#unsynced.add(index);
    this.#unsyncedBytes += pieceSize(this.spec, index);
    if (this.#unsyncedBytes >= this.#deps.flush.bytes) this.#flushSoon();
    else if (!this.#timerRunning) void this.#flushLater();
  }

  async setProof(index: number, proof: PieceProof): Promise<void> {
    if (this.#owedDrops.size > 0) await this.#settleDrops();
    await this.#journal.append([{ kind: 'piece', index, proof }]);
    this.proofs.set(index, proof);
    this.#unsynced.add(index);
  }

  /** Durable on return, so that a piece found to be wrong does not come back. */
  async drop(indexes: readonly number[]): Promise<void> {
    this.#forget(indexes);
    await this.#settleDrops();
  }

  #forget(indexes: readonly number[]): void {
    for (const index of indexes) {
      this.held.delete(index);
      this.#unsynced.delete(index);
    }
    this.#owedDrops.add(indexes);
  }

  /**
   * Writes the drop records that are due. Nothing else goes into the journal before them: a sync record would vouch for
   * what was dropped.
   */
  async #settleDrops(): Promise<void> {
    const due = [...this.#owedDrops];
    await this.#journal.append(due.flat().map((index) => ({ kind: 'drop', index })));
    await this.#journal.sync();
    for (const batch of due) this.#owedDrops.delete(batch);
  }

  /** Makes everything written before the call durable. Throws what the disk says. */
  async flush(): Promise<void> {
    // The running flush may have begun before the last writes. Others who waited for it may have begun the next one,
    // which has them: nothing is left to flush then, but it is not durable before that one ends, too.
    while (this.#flushing) await this.#flushing.catch(() => undefined);
    if (this.#owedDrops.size > 0) await this.#settleDrops();
    if (this.#unsynced.size === 0 && !this.#flushing) return;
    this.#flushing ??= this.#flushNow().finally(() => {
      this.#flushing = undefined;
    });
    await this.#flushing;
  }

  async #flushNow(): Promise<void> {
    const batch = this.#unsynced;
    const covered = this.#journal.written;
    this.#unsynced = new Set();
    this.#unsyncedBytes = 0;
    try {
      await this.file.datasync();
    } catch (error) {
      this.#lossError = error instanceof Error ? error : new Error(String(error));
      await this.#lose([...batch, ...this.#unsynced]);
      throw error;
    }
    await this.#journal.append([{ kind: 'sync', covered }]);
    await this.#journal.sync();
    if (!this.#namesDurable) await syncFolder(this.#deps.fs, this.#deps.layout.partialFolder);
    this.#namesDurable = true;
  }

  /**
   * After a failed fdatasync, Linux counts the pages as clean: the next one succeeds though they never reached the disk.
   * So what it was for is not held any more.
   */
  async #lose(indexes: readonly number[]): Promise<void> {
    this.#losses += 1;
    this.#deps.logger.error('the disk lost pieces', { digest: this.spec.digest, pieces: indexes.length });
    this.#forget(indexes);
    // Where this fails, too, whoever uses the blob next tries again.
    await this.#settleDrops().catch(() => undefined);
  }

  /** Why pieces that were held are not any more, where the disk is to blame. */
  get lossError(): Error | undefined {
    return this.#lossError;
  }

  #flushSoon(): void {
    this.flush().catch((error: unknown) => {
      this.#deps.logger.warn('a flush failed', { digest: this.spec.digest, error: String(error) });
    });
  }

  async #flushLater(): Promise<void> {
    this.#timerRunning = true;
    try {
      await this.#deps.clock.sleep(this.#deps.flush.ms, this.#timer.signal);
    } catch (error) {
      if (isAbortError(error)) return;
      throw error;
    }
    this.#timerRunning = false;
    this.#flushSoon();
  }

  /** Closes the files as they are; `flush` first to keep what is unflushed from being hashed at the next load. */
  async close(): Promise<void> {
    this.#timer.abort();
    await this.#flushing?.catch(() => undefined);
    await this.closeJournal();
    await this.data.close();
  }

  /** For a commit, which goes on using the data file. */
  async closeJournal(): Promise<void> {
    this.#timer.abort();
    await this.#journal.close();
  }
}

/** Makes the files of a new partial blob, in the place of whatever was there. `held`, where given, is empty. */
export async function createPartial(
  deps: PartialDeps,
  spec: BlobSpec,
  held = new Bitfield(pieceCount(spec)),
): Promise<PartialFile> {
  const { fs, layout } = deps;
  // The old journal first: it must never stand beside a new data file. That one is a new file, since an output may be
  // linked to the old one.
  await removePartialFiles(deps, spec.digest);
  const file = await fs.open(layout.partial(spec.digest), 'w+', 0o600);
  try {
    await file.truncate(spec.sizeBytes);
    const journal = await createJournal(fs, layout.journal(spec.digest), spec);
    return new PartialFile(deps, spec, { file, journal }, { ...replay(spec, []), held });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Opens a partial blob with what its journal proves; `undefined` where the files are not those of this spec. `into`, where
 * given, becomes its set of held pieces.
 */
export async function loadPartial(
  deps: PartialDeps,
  spec: BlobSpec,
  into = new Bitfield(pieceCount(spec)),
): Promise<PartialFile | undefined> {
  const { fs, layout } = deps;
  const content = await readJournal(fs, layout.journal(spec.digest));
  if (!content || !sameSpec(content.spec, spec)) return undefined;
  const file = await openData(fs, layout.partial(spec.digest), spec.sizeBytes);
  if (!file) return undefined;
  try {
    const state = replay(spec, content.records);
    assign(into, state.held);
    const journal = await continueJournal(fs, layout.journal(spec.digest), content);
    const partial = new PartialFile(deps, spec, { file, journal }, { ...state, held: into });
    await dropWrong(deps, partial, state.unsynced);
    return partial;
  } catch (error) {
    await file.close();
    throw error;
  }
}

export async function readJournal(fs: StoreFs, path: string): Promise<JournalContent | undefined> {
  const bytes = await readIfThere(fs, path);
  return bytes && decodeJournal(bytes);
}

function assign(target: Bitfield, source: Bitfield): void {
  for (const index of target.values()) if (!source.has(index)) target.delete(index);
  for (const index of source.values()) target.add(index);
}

async function openData(fs: StoreFs, path: string, sizeBytes: number): Promise<StoreFile | undefined> {
  // A disk that can't say is no proof that there is nothing.
  const stats = await statIfThere(fs, path);
  if (stats?.size !== BigInt(sizeBytes)) return undefined;
  return await fs.open(path, 'r+');
}

async function dropWrong(
  deps: PartialDeps,
  partial: PartialFile,
  suspects: readonly number[],
): Promise<void> {
  const wrong = await verifyPieces(deps.pieceHash, partial, suspects);
  if (wrong.length === 0) return;
  deps.logger.warn('pieces did not survive the last stop', {
    digest: partial.spec.digest,
    pieces: wrong.length,
    of: suspects.length,
  });
  await partial.drop(wrong);
}

export function sameSpec(a: BlobSpec, b: BlobSpec): boolean {
  return a.digest === b.digest && a.sizeBytes === b.sizeBytes && a.pieceLengthBytes === b.pieceLengthBytes;
}

export function heldBytesOf(spec: BlobSpec, held: Bitfield): number {
  if (held.count === 0) return 0;
  const last = held.length - 1;
  const full = held.count * spec.pieceLengthBytes;
  return held.has(last) ? full - spec.pieceLengthBytes + pieceSize(spec, last) : full;
}
