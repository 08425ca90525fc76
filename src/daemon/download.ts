// One download, from the address to the files in place, as a row of events. A file's failure is an event and the others
// go on; what ends the whole is thrown.

import {
  AnaxError,
  type Credentials,
  type Digest,
  digestAlgorithm,
  type Manifest,
  type ManifestFile,
  type StoredSnapshot,
  toAnaxError,
  toErrorRecord,
  totalBytes,
} from '../core/index.ts';
import type {
  DownloadEvent,
  DownloadRequest,
  DownloadSummary,
  OutputMethod,
  PlacedFile,
  ProgressEvent,
} from '../rpc/index.ts';
import { checkEmptyFile } from './blob-task.ts';
import { EventQueue } from './event-queue.ts';
import type { Destination } from './outputs.ts';
import { findPresent, type PresentFiles } from './present-files.ts';
import { Slots } from './slots.ts';
import type { SwarmSession } from './swarm-session.ts';

/** Progress is told this often. */
const PROGRESS_MS = 200;
/** Files that a progress event names, at most. */
const MAX_ACTIVE = 32;
/** Files that are put out at once: bounds the packs in memory, and is more than there are threads for file operations. */
const PLACED_AT_ONCE = 16;

export interface DownloadDeps {
  resolve(credentials: Credentials, signal: AbortSignal): Promise<StoredSnapshot>;
  format(snapshot: StoredSnapshot): string;
  openSession(snapshot: StoredSnapshot, credentials: Credentials): Promise<SessionUse>;
  createDestination(snapshot: StoredSnapshot): Promise<Destination>;
  /** All digests of a stored blob, this one included. */
  digestsOf(digest: Digest): Promise<readonly Digest[]>;
  /** Has `hear` called when an origin asks this host to wait, until what is returned is called. */
  onThrottled(hear: (waitMs: number) => void): () => void;
  originRequests(): number;
  now(): number;
  /** The download fails with `swarm_stalled` when nothing came in for this long. */
  readonly stallMs: number;
}

/** A session that this download uses. */
export interface SessionUse {
  readonly session: SwarmSession;
  release(): Promise<void>;
}

/** See `DownloadEngine.download`. */
export async function* runDownload(
  deps: DownloadDeps,
  request: DownloadRequest,
  callerSignal: AbortSignal,
): AsyncGenerator<DownloadEvent> {
  const limit = startLimit(request.timeoutMs);
  const signal = AbortSignal.any([callerSignal, limit.signal]);
  try {
    yield* download(deps, request, signal);
  } catch (error) {
    throw limit.signal.aborted && !callerSignal.aborted ? limit.signal.reason : error;
  } finally {
    limit.clear();
  }
}

function startLimit(timeoutMs: number | undefined): { signal: AbortSignal; clear(): void } {
  const controller = new AbortController();
  if (timeoutMs === undefined) return { signal: controller.signal, clear: () => undefined };
  const timer = setTimeout(() => controller.abort(new AnaxError('timeout')), timeoutMs);
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}

async function* download(
  deps: DownloadDeps,
  request: DownloadRequest,
  signal: AbortSignal,
): AsyncGenerator<DownloadEvent> {
  const startedMs = deps.now();
  const requestsBefore = deps.originRequests();
  const credentials = credentialsOf(request);
  const snapshot = yield* tellingWaits(deps, deps.resolve(credentials, signal));
  checkDigestOption(request.digest, snapshot.manifest);
  yield resolvedEvent(deps, snapshot);
  const base = { startedMs, requestsBefore };
  if (request.dryRun) {
    yield { kind: 'done', summary: emptySummary(deps, base) };
    return;
  }
  const destination = await deps.createDestination(snapshot);
  const found = await findPresent(destination, comparable(request, snapshot.manifest), signal);
  const use = isAllFound(found, snapshot.manifest)
    ? nothingToFetch(snapshot)
    : await deps.openSession(snapshot, credentials);
  try {
    const run = new FileRun({ deps, request, session: use.session, destination, found, signal });
    yield* run.events();
    yield { kind: 'done', summary: run.summary(base) };
  } finally {
    await use.release();
  }
}

/** What `work` comes to; waits that origins ask for meanwhile are told. */
async function* tellingWaits<Result>(
  deps: DownloadDeps,
  work: Promise<Result>,
): AsyncGenerator<DownloadEvent, Result> {
  const waits = new EventQueue<DownloadEvent>();
  const stop = deps.onThrottled((waitMs) => waits.push({ kind: 'waiting', waitMs }));
  const end = (): void => waits.end();
  work.then(end, end);
  try {
    yield* waits;
    return await work;
  } finally {
    stop();
  }
}

function credentialsOf({ token, headers }: DownloadRequest): Credentials {
  return { ...(token && { token }), ...(headers && { headers }) };
}

/** `--digest` names the content of one file. Where the origin publishes the same kind of digest, they must agree. */
function checkDigestOption(digest: Digest | undefined, { files }: Manifest): void {
  if (digest === undefined) return;
  const [file] = files;
  if (!file || files.length > 1) {
    throw new AnaxError('usage_invalid', `a digest is for one file, not for ${files.length}`);
  }
  if (digestAlgorithm(file.digest) === digestAlgorithm(digest) && file.digest !== digest) {
    throw new AnaxError('digest_mismatch', file.path, {
      details: { file: file.path, expected: digest, actual: file.digest },
      hint: 'the origin has other content than --digest asks for',
    });
  }
}

function resolvedEvent(deps: DownloadDeps, snapshot: StoredSnapshot): DownloadEvent {
  return {
    kind: 'resolved',
    snapshotId: snapshot.id,
    url: deps.format(snapshot),
    revision: snapshot.ref.revision,
    files: snapshot.manifest.files.map(({ path, sizeBytes, digest }) => ({ path, sizeBytes, digest })),
    totalBytes: totalBytes(snapshot.manifest),
  };
}

interface SummaryBase {
  readonly startedMs: number;
  readonly requestsBefore: number;
}

function emptySummary(deps: DownloadDeps, base: SummaryBase): DownloadSummary {
  return {
    files: 0,
    filesFailed: 0,
    bytes: 0,
    bytesFromPeers: 0,
    bytesFromOrigin: 0,
    bytesFromCache: 0,
    originRequests: deps.originRequests() - base.requestsBefore,
    seconds: (deps.now() - base.startedMs) / 1000,
  };
}

/** A digest that the caller asks for, and the origin does not publish, is known of fetched content only. */
function comparable({ digest }: DownloadRequest, { files }: Manifest): readonly ManifestFile[] {
  return digest === undefined ? files : files.filter((file) => file.digest === digest);
}

/** Whether nothing is left that could be fetched and put into place. */
function isAllFound({ present, refused }: PresentFiles, { files }: Manifest): boolean {
  return files.length > 0 && files.every((file) => present.has(file) || refused.has(file));
}

/** What a download needs of a session. */
type Fetching = Pick<SwarmSession, 'snapshot' | 'counters' | 'heldBytes' | 'tasks' | 'waitFor'> & {
  readonly exchange: { readonly neighbours: number };
};

/** Stands in for a session where there is nothing to do for one. */
function nothingToFetch(snapshot: StoredSnapshot): { session: Fetching; release(): Promise<void> } {
  const session: Fetching = {
    snapshot,
    counters: { fromPeers: 0, fromOrigin: 0, fromCache: 0 },
    heldBytes: totalBytes(snapshot.manifest),
    tasks: new Map(),
    exchange: { neighbours: 0 },
    waitFor: async () => undefined,
  };
  return { session, release: async () => undefined };
}

interface FileRunParts {
  readonly deps: DownloadDeps;
  readonly request: DownloadRequest;
  readonly session: Fetching;
  readonly destination: Destination;
  readonly found: PresentFiles;
  readonly signal: AbortSignal;
}

/** The files of one download on their way. */
class FileRun {
  readonly #deps: DownloadDeps;
  readonly #request: DownloadRequest;
  readonly #session: Fetching;
  readonly #destination: Destination;
  readonly #found: PresentFiles;
  readonly #signal: AbortSignal;
  readonly #queue = new EventQueue<DownloadEvent>();
  readonly #placing = new Slots(PLACED_AT_ONCE);
  readonly #before: SwarmSession['counters'];
  #lastMoved: { amount: number; atMs: number };
  #done = 0;
  #failed = 0;
  #bytes = 0;
  /** In place, and not told yet. */
  #untold: PlacedFile[] = [];

  constructor({ deps, request, session, destination, found, signal }: FileRunParts) {
    this.#found = found;
    this.#deps = deps;
    this.#request = request;
    this.#session = session;
    this.#destination = destination;
    this.#signal = signal;
    const { fromPeers, fromOrigin } = session.counters;
    this.#lastMoved = { amount: 0, atMs: deps.now() };
    this.#before = { fromPeers, fromOrigin, fromCache: session.heldBytes };
  }

  async *events(): AsyncGenerator<DownloadEvent> {
    const ticker = setInterval(() => this.#tick(), PROGRESS_MS);
    const deafen = this.#deps.onThrottled((waitMs) => this.#queue.push({ kind: 'waiting', waitMs }));
    const onAbort = (): void => this.#queue.fail(this.#signal.reason as Error);
    this.#signal.addEventListener('abort', onAbort, { once: true });
    if (this.#signal.aborted) onAbort();
    void this.#placeAll();
    try {
      yield* this.#queue;
    } finally {
      clearInterval(ticker);
      deafen();
      this.#signal.removeEventListener('abort', onAbort);
    }
  }

  #tick(): void {
    const progress = this.#progress();
    const nowMs = this.#deps.now();
    const moved = progress.bytesDone + progress.bytesFromOrigin + progress.filesDone;
    if (moved !== this.#lastMoved.amount) this.#lastMoved = { amount: moved, atMs: nowMs };
    if (nowMs - this.#lastMoved.atMs > this.#deps.stallMs) this.#queue.fail(new AnaxError('swarm_stalled'));
    else this.#tellProgress(progress);
  }

  async #placeAll(): Promise<void> {
    const { files } = this.#session.snapshot.manifest;
    await Promise.all(files.map((file) => this.#placeOne(file)));
    try {
      if (this.#failed === 0 && !this.#signal.aborted) await this.#destination.finish();
      this.#tellProgress(this.#progress());
      this.#queue.end();
    } catch (error) {
      this.#queue.fail(toAnaxError(error));
    }
  }

  async #placeOne(file: ManifestFile): Promise<void> {
    const { path, sizeBytes, digest } = file;
    try {
      const refusal = this.#found.refused.get(file);
      if (refusal) throw refusal;
      if (this.#found.present.has(file)) return this.#tellPlaced(file, 'existing');
      if (sizeBytes === 0) checkEmptyFile(path, digest);
      else await this.#session.waitFor(digest);
      const method = await this.#placing.run(async () => {
        this.#signal.throwIfAborted();
        await this.#checkDigest(file);
        return await this.#destination.place(file);
      });
      this.#tellPlaced(file, method);
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#failed += 1;
      this.#queue.push({ kind: 'file_failed', path, error: toErrorRecord(error) });
    }
  }

  #tellPlaced({ path, sizeBytes, digest }: ManifestFile, method: OutputMethod): void {
    this.#done += 1;
    this.#bytes += sizeBytes;
    this.#untold.push({ path, sizeBytes, digest, method });
  }

  /** The files that were placed go before the progress that counts them. */
  #tellProgress(progress: ProgressEvent): void {
    if (this.#untold.length > 0) this.#queue.push({ kind: 'files_done', files: this.#untold });
    this.#untold = [];
    this.#queue.push(progress);
  }

  async #checkDigest({ path, digest }: ManifestFile): Promise<void> {
    const wanted = this.#request.digest;
    if (wanted === undefined || wanted === digest) return;
    const known = await this.#deps.digestsOf(digest);
    if (known.includes(wanted)) return;
    const actual = known.find((name) => digestAlgorithm(name) === digestAlgorithm(wanted)) ?? digest;
    throw new AnaxError('digest_mismatch', path, {
      details: { file: path, expected: wanted, actual },
      hint: 'the origin has other content than --digest asks for',
    });
  }

  #origins(): Pick<DownloadSummary, 'bytesFromPeers' | 'bytesFromOrigin' | 'bytesFromCache'> {
    const { fromPeers, fromOrigin } = this.#session.counters;
    return {
      bytesFromPeers: fromPeers - this.#before.fromPeers,
      bytesFromOrigin: fromOrigin - this.#before.fromOrigin,
      bytesFromCache: this.#before.fromCache,
    };
  }

  #progress(): ProgressEvent {
    const active = [];
    for (const task of this.#session.tasks.values()) {
      const bytesDone = task.heldBytes;
      if (task.isSettled || bytesDone === 0) continue;
      active.push({ path: task.path, bytesDone });
      if (active.length === MAX_ACTIVE) break;
    }
    return {
      kind: 'progress',
      ...this.#origins(),
      filesDone: this.#done,
      bytesDone: this.#session.heldBytes,
      active,
      peers: this.#session.exchange.neighbours,
    };
  }

  summary({ startedMs, requestsBefore }: SummaryBase): DownloadSummary {
    return {
      files: this.#done,
      filesFailed: this.#failed,
      bytes: this.#bytes,
      ...this.#origins(),
      originRequests: this.#deps.originRequests() - requestsBefore,
      seconds: (this.#deps.now() - startedMs) / 1000,
      ...(this.#destination.path !== undefined && { outputPath: this.#destination.path }),
    };
  }
}
