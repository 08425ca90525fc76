// The control API as plain values: what the CLI asks of an engine, whether it runs in the same process or behind the
// daemon's socket. Same content as proto/anax/v1/control.proto; `control-convert.ts` goes between the two.

import type {
  Digest,
  ErrorRecord,
  MaterializeMethod,
  PeerId,
  PeerInfo,
  Secret,
  SnapshotId,
} from '../core/index.ts';

/** One call of `dfget`. */
export interface DownloadRequest {
  /** As on the command line: `hf://owner/name@revision/path`, `modelscope://…`, `https://…`. */
  readonly url: string;
  /** Branch, tag or commit. Default: what the URL says, else the hub's default. */
  readonly revision?: string;
  /** Base URL of the hub. Default: the engine's own setting. */
  readonly endpoint?: string;
  /** Absolute path. Default: only into the cache (or `hfCacheDir`). */
  readonly outputPath?: string;
  /** Globs over repository paths (see `path-filter.ts`); empty takes everything. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly token?: Secret;
  /** Further headers, for the origin's own host only. */
  readonly headers?: Readonly<Record<string, Secret>>;
  /** What a single file must have. Default: what the origin publishes. */
  readonly digest?: Digest;
  /** Replaces existing files with other content. */
  readonly overwrite: boolean;
  /** Only lists: `resolved`, then `done`. */
  readonly dryRun: boolean;
  /** Also lays the files out as a Hugging Face cache under this absolute path. */
  readonly hfCacheDir?: string;
  /** Limit on the whole call, in milliseconds; beyond it the call fails with `timeout`. Default: none. */
  readonly timeoutMs?: number;
  /**
   * Also gives the content of the only file, in order while it comes, as `chunk` events. Throws `usage_invalid` where
   * there are more files, and with an output path. Default false.
   */
  readonly stream?: boolean;
}

export interface DownloadFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: string;
}

/** How bytes were come by. The three add up to the bytes that are done. */
export interface ByteOrigins {
  readonly bytesFromPeers: number;
  readonly bytesFromOrigin: number;
  /** Held by this host before. */
  readonly bytesFromCache: number;
}

export interface ResolvedEvent {
  readonly kind: 'resolved';
  readonly snapshotId: SnapshotId;
  /** Canonical and pinned to a commit, without secrets. */
  readonly url: string;
  readonly revision: string;
  /** The files that pass the filters. */
  readonly files: readonly DownloadFile[];
  readonly totalBytes: number;
}

/** An origin asks to wait, with a limit on requests: nothing is wrong, and the download goes on by itself. */
export interface WaitingEvent {
  readonly kind: 'waiting';
  readonly waitMs: number;
}

export interface ProgressEvent extends ByteOrigins {
  readonly kind: 'progress';
  readonly filesDone: number;
  /** Verified bytes, of all files. */
  readonly bytesDone: number;
  /** Files under way, each with its bytes so far. */
  readonly active: readonly { readonly path: string; readonly bytesDone: number }[];
  /** Peers connected for this download. */
  readonly peers: number;
}

/** `existing`: the output had it already. `none`: nothing was put out (no output path), or it was streamed. */
export type OutputMethod = MaterializeMethod | 'existing' | 'none';

export interface PlacedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: string;
  readonly method: OutputMethod;
}

/** Files that are in place, some times a second: of a thousand small files each by itself would cost more than the file. */
export interface FilesDoneEvent {
  readonly kind: 'files_done';
  readonly files: readonly PlacedFile[];
}

export interface FileFailedEvent {
  readonly kind: 'file_failed';
  readonly path: string;
  readonly error: ErrorRecord;
}

/**
 * What comes next of the file that is streamed; good until the next event is asked for. All of it has come when
 * `files_done` names the file. One that turns out to be wrong fails with its end kept back.
 */
export interface ChunkEvent {
  readonly kind: 'chunk';
  readonly content: Uint8Array;
}

export interface DownloadSummary extends ByteOrigins {
  /** Files that succeeded. */
  readonly files: number;
  readonly filesFailed: number;
  readonly bytes: number;
  readonly originRequests: number;
  readonly seconds: number;
  /** Where the result is, absolute; absent where nothing was put out. */
  readonly outputPath?: string;
}

export interface DoneEvent {
  readonly kind: 'done';
  readonly summary: DownloadSummary;
}

/** `resolved` first, then any number of the others, `done` last — also when files failed. `waiting` may come before. */
export type DownloadEvent =
  | ResolvedEvent
  | WaitingEvent
  | ProgressEvent
  | FilesDoneEvent
  | FileFailedEvent
  | ChunkEvent
  | DoneEvent;

/** Whatever carries out downloads: the engine in this process, or the daemon behind its socket. */
export interface DownloadEngine {
  /**
   * Runs one download. A file's failure is an event; what ends the whole download is thrown, as an AnaxError. Aborting
   * ends it with the signal's reason; what is verified by then is kept.
   */
  download(request: DownloadRequest, signal: AbortSignal): AsyncIterable<DownloadEvent>;
  /** Gives up what the engine holds: for a remote one its connection, not the daemon. Idempotent. */
  close(): Promise<void>;
}

export interface SwarmStatus {
  readonly snapshotId: SnapshotId;
  readonly url: string;
  readonly piecesHeld: number;
  readonly pieceCount: number;
  readonly totalBytes: number;
  readonly neighbours: number;
}

/** An origin that asked the cluster to wait. */
export interface OriginWait {
  /** Host and port; empty for an origin without. */
  readonly origin: string;
  readonly waitMs: number;
}

export interface DaemonStatus {
  readonly peer: PeerInfo;
  readonly uptimeMs: number;
  /** `address` is absent where the scheduler is embedded. */
  readonly scheduler: { readonly address?: string; readonly connected: boolean };
  /** `capacityBytes` is absent where there is no limit. */
  readonly cache: {
    readonly dir: string;
    readonly blobs: number;
    readonly heldBytes: number;
    readonly capacityBytes?: number;
  };
  readonly swarms: readonly SwarmStatus[];
  /** Of origins that this host has leases on, whichever host they refused. */
  readonly originWaits: readonly OriginWait[];
  /** Since the daemon started. */
  readonly totals: {
    readonly bytesFromPeers: number;
    readonly bytesFromOrigin: number;
    readonly bytesToPeers: number;
    readonly originRequests: number;
  };
}

export interface BlobEntry {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly heldBytes: number;
  readonly state: 'partial' | 'complete';
  readonly aliases: readonly Digest[];
  readonly lastUsedAtMs: number;
  /** By itself or with a snapshot: never evicted. */
  readonly pinned: boolean;
}

export interface SnapshotEntry {
  readonly snapshotId: SnapshotId;
  readonly url: string;
  readonly files: number;
  readonly totalBytes: number;
  readonly heldBytes: number;
  readonly digests: readonly Digest[];
  readonly pinned: boolean;
}

export interface CacheListing {
  readonly blobs: readonly BlobEntry[];
  readonly snapshots: readonly SnapshotEntry[];
}

/** What `rm`, `pin`, `unpin` and `verify` are about. A snapshot may be named by an unambiguous head of at least 8 digits. */
export type BlobSelector =
  | { readonly kind: 'digest'; readonly digest: Digest }
  | { readonly kind: 'snapshot'; readonly snapshotId: string };

export interface RemoveResult {
  readonly blobs: number;
  readonly freedBytes: number;
}

export interface PinResult {
  /** What was pinned or unpinned: a snapshot's full id or a digest. */
  readonly name: string;
  readonly blobs: number;
}

export interface VerifyRequest {
  /** Default: everything. */
  readonly target?: BlobSelector;
  /** Limit on reading. Default 256 MiB/s. */
  readonly bytesPerSecond?: number;
}

/**
 * One `blob` for each blob with `progress` in between, one `repair` for each that was complete and is damaged, then `done`.
 * Wrong pieces are dropped; what was complete is fetched again.
 */
export type VerifyEvent =
  | {
      readonly kind: 'progress';
      readonly blobs: number;
      readonly totalBlobs: number;
      readonly bytes: number;
      readonly totalBytes: number;
    }
  | {
      readonly kind: 'blob';
      readonly digest: Digest;
      readonly sizeBytes: number;
      readonly good: boolean;
      readonly badPieces: number;
    }
  | {
      readonly kind: 'repair';
      readonly digest: Digest;
      readonly ok: true;
      readonly bytesFromPeers: number;
      readonly bytesFromOrigin: number;
    }
  | { readonly kind: 'repair'; readonly digest: Digest; readonly ok: false; readonly error: ErrorRecord }
  | {
      readonly kind: 'done';
      readonly blobs: number;
      readonly badBlobs: number;
      readonly repairedBlobs: number;
      readonly bytes: number;
    };

/** Limits on traffic in bytes per second; 0 for none. */
export interface TrafficLimits {
  /** What is given to peers. */
  readonly uploadBytesPerSecond: number;
  /** What is taken from peers and origins together. */
  readonly downloadBytesPerSecond: number;
}

/** All that a daemon does on its socket. The daemon implements it; `connectControl` gives the remote twin. */
export interface ControlApi extends DownloadEngine {
  ping(signal: AbortSignal): Promise<{ readonly version: string; readonly peerId: PeerId }>;
  status(signal: AbortSignal): Promise<DaemonStatus>;
  list(signal: AbortSignal): Promise<CacheListing>;
  /** Changes what is given, until the daemon starts again, and returns what is in force. Throws `config_invalid`. */
  setLimits(change: Partial<TrafficLimits>, signal: AbortSignal): Promise<TrafficLimits>;
  /** Throws `blob_not_found`, `store_locked` (in use, or pinned). */
  remove(target: BlobSelector, signal: AbortSignal): Promise<RemoveResult>;
  /** Keeps it from eviction. Throws `blob_not_found`. */
  pin(target: BlobSelector, signal: AbortSignal): Promise<PinResult>;
  /** Throws `blob_not_found` where it is not pinned. */
  unpin(target: BlobSelector, signal: AbortSignal): Promise<PinResult>;
  /** Throws `blob_not_found`. */
  verify(request: VerifyRequest, signal: AbortSignal): AsyncIterable<VerifyEvent>;
}
