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
  totalBytes,
} from '../core/index.ts';
import type { DownloadEvent, DownloadRequest, DownloadSummary } from '../rpc/index.ts';
import { EventQueue } from './event-queue.ts';
import type { FileReader } from './file-reader.ts';
import { type Fetching, FileRun, type SummaryBase } from './file-run.ts';
import type { Destination } from './outputs.ts';
import { findPresent, type PresentFiles } from './present-files.ts';
import type { SwarmSession } from './swarm-session.ts';

export interface DownloadDeps {
  resolve(credentials: Credentials, signal: AbortSignal): Promise<StoredSnapshot>;
  format(snapshot: StoredSnapshot): string;
  openSession(snapshot: StoredSnapshot, credentials: Credentials, order: ReadingOrder): Promise<SessionUse>;
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

/** What of a snapshot is to come in order. */
export interface ReadingOrder {
  /** A file that is read here while it comes. */
  readonly read?: Digest;
  /** Whether others read all of it so: then the origin is read in order. */
  readonly inOrder?: boolean;
}

/** A session that this download uses. */
export interface SessionUse {
  readonly session: SwarmSession;
  /** Of the file that is read in order, if there is one. */
  readonly reader?: FileReader;
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
  const streamed = request.stream === true ? streamedFile(request, snapshot.manifest) : undefined;
  const destination = await deps.createDestination(snapshot);
  const found = await findPresent(destination, comparable(request, snapshot.manifest), signal);
  const use = isAllFound(found, snapshot.manifest)
    ? nothingToFetch(snapshot)
    : await deps.openSession(snapshot, credentials, streamed ? { read: streamed.digest } : {});
  try {
    const { session, reader } = use;
    const run = new FileRun({ deps, request, session, reader, destination, found, signal });
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

/** The only file. Throws `usage_invalid` where it is not the only one, or shall go somewhere else as well. */
function streamedFile(request: DownloadRequest, { files }: Manifest): ManifestFile {
  if (request.outputPath !== undefined || request.hfCacheDir !== undefined) {
    throw new AnaxError('usage_invalid', 'a file is streamed or put into a place, not both');
  }
  const [file] = files;
  if (file && files.length === 1) return file;
  throw new AnaxError('usage_invalid', `one file can be streamed, not ${files.length}`, {
    hint: 'name the file in the URL or with --include; --dry-run lists them',
  });
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

interface NothingToFetch {
  readonly session: Fetching;
  readonly reader?: undefined;
  release(): Promise<void>;
}

/** Stands in for a session where there is nothing to do for one. */
function nothingToFetch(snapshot: StoredSnapshot): NothingToFetch {
  const session: Fetching = {
    snapshot,
    counters: { fromPeers: 0, fromOrigin: 0, fromCache: 0 },
    held: { bytes: totalBytes(snapshot.manifest) },
    tasks: new Map(),
    exchange: { neighbours: 0 },
    waitFor: async () => undefined,
  };
  return { session, release: async () => undefined };
}
