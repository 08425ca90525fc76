// The files of one download on their way: each waits for its content and goes to its place, and what happens is told as
// events, some times a second.

import { AnaxError, digestAlgorithm, type ManifestFile, toAnaxError, toErrorRecord } from '../core/index.ts';
import type {
  DownloadEvent,
  DownloadRequest,
  DownloadSummary,
  OutputMethod,
  PlacedFile,
  ProgressEvent,
} from '../rpc/index.ts';
import { checkEmptyFile } from './blob-task.ts';
import type { DownloadDeps } from './download.ts';
import { EventQueue } from './event-queue.ts';
import type { FileReader } from './file-reader.ts';
import type { Destination } from './outputs.ts';
import type { PresentFiles } from './present-files.ts';
import { Slots } from './slots.ts';
import type { SwarmSession } from './swarm-session.ts';

/** Progress is told this often, where there is any. */
const PROGRESS_MS = 200;
/** And this often where there is none, for who counts time by it. */
const NO_PROGRESS_MS = 1_000;
/** Files that a progress event names, at most. */
const MAX_ACTIVE = 32;
/** Files that are put out at once: bounds the packs in memory, and gives a thread that puts out small ones enough to do. */
const PLACED_AT_ONCE = 64;

/** What a download needs of a session. */
export type Fetching = Pick<SwarmSession, 'snapshot' | 'counters' | 'tasks' | 'waitFor'> & {
  readonly held: { readonly bytes: number };
  readonly exchange: { readonly neighbours: number };
};

/** What a summary counts from. */
export interface SummaryBase {
  readonly startedMs: number;
  readonly requestsBefore: number;
}

interface FileRunParts {
  readonly deps: Pick<DownloadDeps, 'digestsOf' | 'onThrottled' | 'originRequests' | 'now' | 'stallMs'>;
  readonly request: DownloadRequest;
  readonly session: Fetching;
  /** Of the only file, which then goes to who takes the events. */
  readonly reader: Pick<FileReader, 'bytes'> | undefined;
  readonly destination: Destination;
  readonly found: PresentFiles;
  readonly signal: AbortSignal;
}

export class FileRun {
  readonly #deps: FileRunParts['deps'];
  readonly #request: DownloadRequest;
  readonly #session: Fetching;
  readonly #reader: Pick<FileReader, 'bytes'> | undefined;
  readonly #destination: Destination;
  readonly #found: PresentFiles;
  readonly #signal: AbortSignal;
  readonly #queue = new EventQueue<DownloadEvent>();
  readonly #placing = new Slots(PLACED_AT_ONCE);
  readonly #before: SwarmSession['counters'];
  #lastMoved: { amount: number; atMs: number };
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #done = 0;
  #failed = 0;
  #bytes = 0;
  #bytesStreamed = 0;
  /** To be called when the chunk that is out was taken. */
  #onTaken: (() => void) | undefined;
  /** Whether progress was told while it is out: more would only pile up. */
  #hasToldBeside = false;
  /** In place, and not told yet. */
  #untold: PlacedFile[] = [];

  constructor({ deps, request, session, reader, destination, found, signal }: FileRunParts) {
    this.#found = found;
    this.#deps = deps;
    this.#request = request;
    this.#session = session;
    this.#reader = reader;
    this.#destination = destination;
    this.#signal = signal;
    const { fromPeers, fromOrigin } = session.counters;
    this.#lastMoved = { amount: 0, atMs: deps.now() };
    this.#before = { fromPeers, fromOrigin, fromCache: session.held.bytes };
  }

  async *events(): AsyncGenerator<DownloadEvent> {
    const ticker = setInterval(() => this.#tick(), PROGRESS_MS);
    const deafen = this.#deps.onThrottled((waitMs) => this.#queue.push({ kind: 'waiting', waitMs }));
    const onAbort = (): void => this.#queue.fail(this.#signal.reason as Error);
    this.#signal.addEventListener('abort', onAbort, { once: true });
    if (this.#signal.aborted) onAbort();
    void this.#placeAll();
    try {
      for await (const event of this.#queue) {
        yield event;
        if (event.kind === 'chunk') this.#onTaken?.();
      }
    } finally {
      clearInterval(ticker);
      deafen();
      this.#signal.removeEventListener('abort', onAbort);
    }
  }

  #tick(): void {
    const progress = this.#progress();
    const nowMs = this.#deps.now();
    const moved = progress.bytesDone + progress.bytesFromOrigin + progress.filesDone + this.#bytesStreamed;
    const hasMoved = moved !== this.#lastMoved.amount;
    // Whoever takes its time with a chunk may.
    if (hasMoved || this.#onTaken) this.#lastMoved = { amount: moved, atMs: nowMs };
    if (this.#onTaken && this.#hasToldBeside) return;
    this.#hasToldBeside = this.#onTaken !== undefined;
    if (nowMs - this.#lastMoved.atMs > this.#deps.stallMs) {
      this.#queue.fail(new AnaxError('swarm_stalled'));
    } else if (hasMoved || nowMs - this.#toldAtMs >= NO_PROGRESS_MS) {
      this.#toldAtMs = nowMs;
      this.#tellProgress(progress);
    }
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
      if (this.#reader) {
        await this.#stream(file, this.#reader);
        return this.#tellPlaced(file, 'none');
      }
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

  /** Hands the file on, one chunk at a time. */
  async #stream(file: ManifestFile, reader: Pick<FileReader, 'bytes'>): Promise<void> {
    for await (const content of reader.bytes(this.#signal, () => this.#checkDigest(file))) {
      const taken = Promise.withResolvers<void>();
      this.#onTaken = taken.resolve;
      this.#hasToldBeside = false;
      this.#queue.push({ kind: 'chunk', content });
      await taken.promise;
      this.#onTaken = undefined;
      this.#bytesStreamed += content.length;
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
      bytesDone: this.#session.held.bytes,
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
