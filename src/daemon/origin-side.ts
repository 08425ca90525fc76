// The reader's half of a swarm: takes the origin lease, carries out the reads that the machine decides, signs what it
// finds, and gives up a file, or the lease, when the origin does not play along.

import {
  AnaxError,
  type BlobPart,
  type Credentials,
  type Digest,
  type ErrorRecord,
  hasCode,
  isAbortError,
  type ListedFile,
  MIN_PIECE_LENGTH_BYTES,
  type OpenBlob,
  type PieceIntake,
  type Range,
  RangeIgnored,
  type ReaderGrant,
  signPiece,
  toAnaxError,
  toErrorRecord,
  toRanges,
} from '../core/index.ts';
import { DEFAULT_SWARM_LIMITS, type ReadPace } from '../swarm/index.ts';
import { type BlobTask, checkContent } from './blob-task.ts';
import { type OriginReadJob, runOriginRead } from './origin-read.ts';
import { readGood } from './packs.ts';
import { Slots } from './slots.ts';
import { isDiskError, locateTask, pathOf, type SwarmContext } from './swarm-context.ts';

/** Callers whose credentials are kept for reading the origin. */
const MAX_CREDENTIALS = 16;

export interface OriginHandlers {
  readonly onGrants: (grants: readonly ReaderGrant[]) => void;
  readonly onStored: (piece: number) => void;
  /** Asks who else holds the blobs of these pieces. */
  readonly search: (spans: readonly Range[]) => void;
  /** Takes what it can of a blob from them. */
  readonly borrow: (task: BlobTask, signal: AbortSignal) => Promise<void>;
  readonly prepare: (task: BlobTask) => void;
  readonly reject: (task: BlobTask, error: AnaxError) => Promise<void>;
  readonly onDiskError: (error: AnaxError) => void;
}

/** What of which file is read, and who takes it. */
type OriginCut = Pick<
  OriginReadJob,
  'file' | 'pieceLengthBytes' | 'firstPiece' | 'endPiece' | 'onPiece' | 'mayReadThrough'
>;

/** Errors that concern one file. Any other would be met by the next file as well, and ends the lease. */
function isFileError(error: AnaxError): boolean {
  return hasCode(error, 'file_not_found', 'digest_mismatch', 'origin_changed', 'origin_protocol');
}

/** Errors that another caller's credentials may not meet. */
function isAccessError(error: unknown): boolean {
  return hasCode(error, 'auth_required', 'auth_invalid', 'access_denied', 'access_gated', 'repo_not_found');
}

export class OriginSide {
  readonly #context: SwarmContext;
  readonly #handlers: OriginHandlers;
  readonly #credentials: Credentials[] = [];
  /** Files that are read at once. */
  readonly #slots: Slots;
  readonly #reads = new Map<BlobTask, Set<AbortController>>();
  /** Blobs whose server ignores Range. */
  readonly #throughReads = new WeakMap<BlobTask, Slots>();
  /** The pieces of each running read. */
  readonly #running = new Map<number, Range>();
  #pace: ReadPace = 'all';
  /** Resolves when the pace changes. */
  #paceChange = Promise.withResolvers<void>();
  /** Of the lease that this host has; 0 for none. */
  leaseEpoch = 0;

  constructor(context: SwarmContext, handlers: OriginHandlers) {
    this.#context = context;
    this.#handlers = handlers;
    this.#slots = new Slots(context.deps.limits.originReads ?? DEFAULT_SWARM_LIMITS.originReads);
  }

  addCredentials(credentials: Credentials): void {
    this.#credentials.unshift(credentials);
    this.#credentials.splice(MAX_CREDENTIALS);
  }

  /** What this host reads with first; those of whoever asked last. */
  get credentials(): Credentials {
    return this.#credentials[0] ?? {};
  }

  takeLease(epoch: number, grant: ReaderGrant, spans: readonly Range[]): void {
    this.leaseEpoch = epoch;
    this.#handlers.onGrants([grant]);
    this.#handlers.search(spans);
    for (const task of this.#context.tasks.values()) {
      if (spans.some(({ start, end }) => start < task.mapped.pieces.end && end > task.mapped.pieces.start)) {
        this.#handlers.prepare(task);
      }
    }
    this.#context.feed({ kind: 'lease', epoch, spans });
  }

  /** The lease is over, or about to be: what is being read is not wanted from here any more. */
  loseLease(epoch: number): void {
    if (this.leaseEpoch === 0 || this.leaseEpoch > epoch) return;
    this.leaseEpoch = 0;
    for (const task of this.#reads.keys()) this.abortReads(task);
    this.#context.feed({ kind: 'leaseLost' });
  }

  leaseDone(epoch: number, error: ErrorRecord | undefined): void {
    this.leaseEpoch = 0;
    const { deps, snapshot } = this.#context;
    deps.scheduler.tell({ kind: 'leaseDone', snapshot: snapshot.id, epoch, ...(error && { error }) });
  }

  /** Another reads from this piece on. */
  shortenRead(readId: number, end: number): void {
    const pieces = this.#running.get(readId);
    if (pieces) this.#running.set(readId, { ...pieces, end });
  }

  paceReads(pace: ReadPace): void {
    this.#pace = pace;
    this.#paceChange.resolve();
    this.#paceChange = Promise.withResolvers();
  }

  /** A read that is not its turn may ask the origin all the same: what that takes to answer passes meanwhile. */
  async #mayAsk(): Promise<void> {
    while (this.#pace === 'none') await this.#paceChange.promise;
  }

  async #mayRead(readId: number): Promise<void> {
    while (this.#pace !== 'all' && this.#pace !== readId) await this.#paceChange.promise;
  }

  /** Ends running reads of a blob that was given up. */
  abortReads(task: BlobTask): void {
    for (const abort of this.#reads.get(task) ?? []) abort.abort();
  }

  async read(readId: number, pieces: Range): Promise<void> {
    const { task } = locateTask(this.#context, pieces.start);
    this.#running.set(readId, pieces);
    const abort = new AbortController();
    const running = this.#reads.get(task) ?? new Set();
    this.#reads.set(task, running.add(abort));
    let error: ErrorRecord | undefined;
    try {
      const signal = AbortSignal.any([abort.signal, this.#context.signal]);
      const { parts } = task.mapped;
      await (parts ? this.#readPack(task, parts, readId, signal) : this.#readBlob(task, readId, signal));
    } catch (thrown) {
      error = await this.#explain(task, thrown);
    } finally {
      running.delete(abort);
      this.#running.delete(readId);
    }
    this.#context.feed({ kind: 'readEnded', readId, error });
  }

  /** The error that ends the lease, if it is one. */
  async #explain(task: BlobTask, thrown: unknown): Promise<ErrorRecord | undefined> {
    if (isAbortError(thrown)) return undefined;
    const error = withFile(toAnaxError(thrown), task.path);
    if (isDiskError(error)) this.#handlers.onDiskError(error);
    if (!isFileError(error)) return toErrorRecord(error);
    await this.#handlers.reject(task, error);
    return undefined;
  }

  async #withAnyCredentials(read: (credentials: Credentials) => Promise<void>): Promise<void> {
    const callers = this.#credentials.length > 0 ? [...this.#credentials] : [{}];
    const last = callers.pop() ?? {};
    for (const credentials of callers) {
      try {
        await read(credentials);
        return;
      } catch (error) {
        if (!isAccessError(error)) throw error;
      }
    }
    await read(last);
  }

  /** Other swarms of this host may want the blob as well: one fetches it, and all have what it stores. */
  async #readBlob(task: BlobTask, readId: number, signal: AbortSignal): Promise<void> {
    const { deps, snapshot } = this.#context;
    const { digest } = task.open.spec;
    await deps.turns.run(digest, snapshot.id, signal, () => this.#fetchBlob(task, readId, signal));
  }

  async #fetchBlob(task: BlobTask, readId: number, signal: AbortSignal): Promise<void> {
    const first = task.mapped.pieces.start;
    const start = (this.#running.get(readId)?.start ?? first) - first;
    const end = (): number => (this.#running.get(readId)?.end ?? first) - first;
    await this.#handlers.borrow(task, signal);
    try {
      for (const run of unheldRuns(task.open, { start, end: end() })) {
        const endPiece = (): number => Math.max(run.start, Math.min(run.end, end()));
        await this.#readFile({ ...this.#cut(task), firstPiece: run.start, endPiece }, readId, signal);
      }
    } catch (error) {
      if (!(error instanceof RangeIgnored)) throw error;
      await this.#readThrough(task, readId, signal);
    }
  }

  /** From a server without ranges one read takes all that is missing; the others wait, and have it then. */
  async #readThrough(task: BlobTask, readId: number, signal: AbortSignal): Promise<void> {
    const turn = this.#throughReads.get(task) ?? new Slots(1);
    this.#throughReads.set(task, turn);
    await turn.run(async () => {
      const [run] = unheldRuns(task.open, { start: 0, end: task.open.held.length });
      if (!run) return;
      const endPiece = (): number => task.open.held.length;
      const cut = { ...this.#cut(task), firstPiece: run.start, endPiece, mayReadThrough: true };
      await this.#readFile(cut, readId, signal);
    });
  }

  #cut(task: BlobTask): Pick<OriginCut, 'file' | 'pieceLengthBytes' | 'onPiece'> {
    const { digest, pieceLengthBytes } = task.mapped;
    const onPiece = (index: number, piece: PieceIntake): Promise<void> => this.#store(task, index, piece);
    return { file: this.#fileWith(digest), pieceLengthBytes, onPiece };
  }

  /** Reads the files of a pack one by one. One that the origin does not have, or has wrong, fails alone. */
  async #readPack(
    task: BlobTask,
    parts: readonly BlobPart[],
    readId: number,
    signal: AbortSignal,
  ): Promise<void> {
    const pack = Buffer.alloc(task.mapped.sizeBytes);
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const reads = parts.map(async (part) => {
      try {
        await this.#readPart(part, pack, readId, either);
      } catch (error) {
        if (error instanceof AnaxError && isFileError(error)) {
          task.failFile(part.digest, withFile(error, pathOf(this.#context, part.digest)));
        } else failed.abort(error);
      }
    });
    await Promise.all(reads);
    either.throwIfAborted();
    await this.#storePack(task, pack);
  }

  async #readPart(
    { digest, offsetBytes }: BlobPart,
    pack: Buffer,
    readId: number,
    signal: AbortSignal,
  ): Promise<void> {
    const held = await readGood(this.#context.deps.store, digest);
    if (held) held.copy(pack, offsetBytes);
    if (held) return;
    const file = this.#fileWith(digest);
    const whole = { pieceLengthBytes: MIN_PIECE_LENGTH_BYTES, firstPiece: 0, endPiece: () => 1 };
    const onPiece = async (_: number, piece: PieceIntake): Promise<void> => {
      const bytes = await piece.bytes();
      checkContent(file.path, digest, bytes);
      pack.set(bytes, offsetBytes);
    };
    await this.#readFile({ ...whole, file, onPiece }, readId, signal);
  }

  async #readFile(cut: OriginCut, readId: number, signal: AbortSignal): Promise<void> {
    const { deps, snapshot, counters } = this.#context;
    await this.#slots.run(() =>
      this.#withAnyCredentials((credentials) =>
        runOriginRead({
          ...cut,
          source: deps.source,
          ref: snapshot.ref,
          credentials,
          clock: deps.clock,
          signal,
          intakeOf: deps.intakeOf,
          begin: () => deps.budget.begin(signal),
          mayAsk: () => this.#mayAsk(),
          mayRead: () => this.#mayRead(readId),
          onBytes: async (bytes) => {
            counters.fromOrigin += bytes;
            await Promise.all([deps.pace(bytes, signal), deps.budget.pace(bytes, signal)]);
          },
        }),
      ),
    );
  }

  #fileWith(content: Digest): ListedFile {
    const file = this.#context.snapshot.manifest.files.find(({ digest }) => digest === content);
    if (!file) throw new AnaxError('internal', `no file has the content ${content}`);
    return file;
  }

  async #store(task: BlobTask, index: number, piece: PieceIntake): Promise<void> {
    if (task.isSettled) return;
    const proof = signPiece(this.#context.deps.identity, task.mapped, index, await piece.digest());
    await task.open.fill(index, proof, (place) => piece.put(place));
    this.#stored(task, index);
  }

  async #storePack(task: BlobTask, pack: Uint8Array): Promise<void> {
    const { identity, hash } = this.#context.deps;
    if (task.isSettled) return;
    await task.open.write(0, pack, signPiece(identity, task.mapped, 0, hash(pack)));
    this.#stored(task, 0);
  }

  #stored(task: BlobTask, index: number): void {
    const piece = task.mapped.pieces.start + index;
    this.#context.feed({ kind: 'stored', piece, from: 'origin' });
    this.#handlers.onStored(piece);
  }
}

/** The stretches of a blob's pieces that are not here. */
function unheldRuns({ held }: OpenBlob, { start, end }: Range): Range[] {
  const pieces: number[] = [];
  for (let piece = start; piece < end; piece += 1) if (!held.has(piece)) pieces.push(piece);
  return toRanges(pieces);
}

/** The error, naming the file it is about. */
function withFile(error: AnaxError, file: string): AnaxError {
  if (error.details['file'] !== undefined) return error;
  return new AnaxError(error.code, error.message.split(': ').slice(1).join(': ') || file, {
    cause: error,
    hint: error.hint,
    details: { ...error.details, file },
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
  });
}
