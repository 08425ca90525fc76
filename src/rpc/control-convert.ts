// Download requests and events between plain values and protobuf messages. What comes from the wire is read leniently
// where a field is for show, and through core's parsers where it becomes an identity.

import { create } from '@bufbuild/protobuf';
import { AnaxError, parseDigest, parseSnapshotId, Secret } from '../core/index.ts';
import type {
  DownloadEvent,
  DownloadRequest,
  DownloadSummary,
  OutputMethod,
  PlacedFile,
} from './control-types.ts';
import {
  type DownloadEvent as DownloadEventMessage,
  DownloadEventSchema,
  type DownloadRequest as DownloadRequestMessage,
  DownloadRequestSchema,
  type DownloadEvent_Done as WireDone,
  type DownloadEvent_FileDone as WireFileDone,
  type DownloadEvent_Progress as WireProgress,
  type DownloadEvent_Resolved as WireResolved,
} from './gen/anax/v1/control_pb.js';
import { errorFromWire, errorToWire } from './rpc-error.ts';

export function requestToWire(request: DownloadRequest): DownloadRequestMessage {
  const headers = Object.entries(request.headers ?? {}).map(([name, value]) => [name, value.reveal()]);
  return create(DownloadRequestSchema, {
    url: request.url,
    revision: request.revision ?? '',
    endpoint: request.endpoint ?? '',
    outputPath: request.outputPath ?? '',
    include: [...request.include],
    exclude: [...request.exclude],
    token: request.token?.reveal() ?? '',
    headers: Object.fromEntries(headers) as Record<string, string>,
    digest: request.digest ?? '',
    overwrite: request.overwrite,
    dryRun: request.dryRun,
    hfCacheDir: request.hfCacheDir ?? '',
    timeoutMs: BigInt(request.timeoutMs ?? 0),
    stream: request.stream ?? false,
  });
}

/** Throws `usage_invalid` where the digest is none. */
export function requestFromWire(wire: DownloadRequestMessage): DownloadRequest {
  const headers = Object.entries(wire.headers).map(([name, value]) => [name, new Secret(value)] as const);
  return {
    url: wire.url,
    ...(wire.revision !== '' && { revision: wire.revision }),
    ...(wire.endpoint !== '' && { endpoint: wire.endpoint }),
    ...(wire.outputPath !== '' && { outputPath: wire.outputPath }),
    include: wire.include,
    exclude: wire.exclude,
    ...(wire.token !== '' && { token: new Secret(wire.token) }),
    ...(headers.length > 0 && { headers: Object.fromEntries(headers) }),
    ...(wire.digest !== '' && { digest: parseDigest(wire.digest) }),
    overwrite: wire.overwrite,
    dryRun: wire.dryRun,
    ...(wire.hfCacheDir !== '' && { hfCacheDir: wire.hfCacheDir }),
    ...(wire.timeoutMs !== 0n && { timeoutMs: Number(wire.timeoutMs) }),
    ...(wire.stream && { stream: true }),
  };
}

export function eventToWire(event: DownloadEvent): DownloadEventMessage {
  return create(DownloadEventSchema, { event: eventCase(event) });
}

type EventCase = Exclude<Parameters<typeof create<typeof DownloadEventSchema>>[1], undefined>['event'];

function eventCase(event: DownloadEvent): NonNullable<EventCase> {
  switch (event.kind) {
    case 'resolved': {
      const files = event.files.map((file) => ({ ...file, sizeBytes: BigInt(file.sizeBytes) }));
      const { snapshotId, url, revision, totalBytes } = event;
      return {
        case: 'resolved',
        value: { snapshotId, url, revision, files, totalBytes: BigInt(totalBytes) },
      };
    }
    case 'progress':
      return {
        case: 'progress',
        value: {
          filesDone: event.filesDone,
          bytesDone: BigInt(event.bytesDone),
          bytesFromPeers: BigInt(event.bytesFromPeers),
          bytesFromOrigin: BigInt(event.bytesFromOrigin),
          bytesFromCache: BigInt(event.bytesFromCache),
          active: event.active.map((file) => ({ path: file.path, bytesDone: BigInt(file.bytesDone) })),
          peers: event.peers,
        },
      };
    case 'files_done':
      return {
        case: 'filesDone',
        value: { files: event.files.map((file) => ({ ...file, sizeBytes: BigInt(file.sizeBytes) })) },
      };
    case 'waiting':
      return { case: 'waiting', value: { waitMs: BigInt(Math.round(event.waitMs)) } };
    case 'chunk':
      return { case: 'chunk', value: event.content };
    case 'file_failed':
      return { case: 'fileFailed', value: { path: event.path, error: errorToWire(event.error) } };
    case 'done':
      return { case: 'done', value: doneToWire(event.summary) };
  }
}

function doneToWire(summary: DownloadSummary) {
  return {
    files: summary.files,
    filesFailed: summary.filesFailed,
    bytes: BigInt(summary.bytes),
    bytesFromPeers: BigInt(summary.bytesFromPeers),
    bytesFromOrigin: BigInt(summary.bytesFromOrigin),
    bytesFromCache: BigInt(summary.bytesFromCache),
    originRequests: summary.originRequests,
    seconds: summary.seconds,
    outputPath: summary.outputPath ?? '',
  };
}

/** `undefined` for a kind of event that a newer daemon sends and this client does not know. */
export function eventFromWire(wire: DownloadEventMessage): DownloadEvent | undefined {
  const { event } = wire;
  switch (event.case) {
    case 'resolved':
      return resolvedFromWire(event.value);
    case 'progress':
      return progressFromWire(event.value);
    case 'filesDone':
      return { kind: 'files_done', files: event.value.files.map(placedFromWire) };
    case 'fileFailed':
      return { kind: 'file_failed', path: event.value.path, error: errorFromWire(event.value.error) };
    case 'waiting':
      return { kind: 'waiting', waitMs: Number(event.value.waitMs) };
    case 'chunk':
      return { kind: 'chunk', content: event.value };
    case 'done':
      return { kind: 'done', summary: summaryFromWire(event.value) };
    case undefined:
      return undefined;
  }
}

function resolvedFromWire(wire: WireResolved): DownloadEvent {
  const files = wire.files.map(({ path, sizeBytes, digest }) => ({
    path,
    sizeBytes: Number(sizeBytes),
    digest,
  }));
  const { url, revision, totalBytes } = wire;
  const snapshotId = parseSnapshotId(wire.snapshotId);
  return { kind: 'resolved', snapshotId, url, revision, files, totalBytes: Number(totalBytes) };
}

function placedFromWire({ path, sizeBytes, digest, method }: WireFileDone): PlacedFile {
  return { path, sizeBytes: Number(sizeBytes), digest, method: readMethod(method) };
}

function progressFromWire(wire: WireProgress): DownloadEvent {
  return {
    kind: 'progress',
    filesDone: wire.filesDone,
    bytesDone: Number(wire.bytesDone),
    ...originsFromWire(wire),
    active: wire.active.map(({ path, bytesDone }) => ({ path, bytesDone: Number(bytesDone) })),
    peers: wire.peers,
  };
}

function summaryFromWire(wire: WireDone): DownloadSummary {
  return {
    files: wire.files,
    filesFailed: wire.filesFailed,
    bytes: Number(wire.bytes),
    ...originsFromWire(wire),
    originRequests: wire.originRequests,
    seconds: wire.seconds,
    ...(wire.outputPath !== '' && { outputPath: wire.outputPath }),
  };
}

function originsFromWire(wire: WireProgress | WireDone) {
  return {
    bytesFromPeers: Number(wire.bytesFromPeers),
    bytesFromOrigin: Number(wire.bytesFromOrigin),
    bytesFromCache: Number(wire.bytesFromCache),
  };
}

const METHODS: readonly string[] = ['reflink', 'hardlink', 'copy', 'existing', 'none'];

function readMethod(text: string): OutputMethod {
  return METHODS.includes(text) ? (text as OutputMethod) : 'none';
}

/** Throws `usage_invalid` unless all paths that the daemon would write to are absolute: it has another working folder. */
export function checkPathsAbsolute(request: DownloadRequest): void {
  for (const path of [request.outputPath, request.hfCacheDir]) {
    if (path !== undefined && !path.startsWith('/')) {
      throw new AnaxError('usage_invalid', `the output path ${path} is not absolute`);
    }
  }
}
