// What there is to show of a running download, as a value: `reduce` takes in one event. Pure; the time is passed in.

import type { ErrorRecord } from '../core/index.ts';
import type {
  ByteOrigins,
  DownloadEvent,
  DownloadSummary,
  ProgressEvent,
  ResolvedEvent,
} from '../rpc/index.ts';
import { formatClock } from './text.ts';

export interface ActiveFile {
  readonly path: string;
  readonly bytesDone: number;
  readonly sizeBytes: number;
}

export interface FailedFile {
  readonly path: string;
  readonly error: ErrorRecord;
}

/** A point of the curve that rates are read from. */
interface Sample {
  readonly atMs: number;
  /** Bytes from peers and origin. */
  readonly movedBytes: number;
}

export interface ViewState {
  /** As asked for, until it is resolved. */
  readonly url: string;
  readonly startedAtMs: number;
  readonly resolved: ResolvedEvent | undefined;
  /** Of the resolved files, by path. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly filesDone: number;
  readonly bytesDone: number;
  readonly origins: ByteOrigins;
  readonly peers: number;
  readonly active: readonly ActiveFile[];
  readonly failed: readonly FailedFile[];
  readonly samples: readonly Sample[];
  readonly summary: DownloadSummary | undefined;
  /** Until when an origin has asked to wait. */
  readonly waitingUntilMs: number;
}

/** Rates are means over this time: short enough to follow, long enough to be calm. */
const RATE_WINDOW_MS = 5_000;
/** One sample per this time bounds the window to some 25. */
const SAMPLE_INTERVAL_MS = 200;

export function initialState(url: string, nowMs: number): ViewState {
  return {
    url,
    startedAtMs: nowMs,
    resolved: undefined,
    sizes: new Map(),
    filesDone: 0,
    bytesDone: 0,
    origins: { bytesFromPeers: 0, bytesFromOrigin: 0, bytesFromCache: 0 },
    peers: 0,
    active: [],
    failed: [],
    samples: [{ atMs: nowMs, movedBytes: 0 }],
    summary: undefined,
    waitingUntilMs: 0,
  };
}

export function reduce(state: ViewState, event: DownloadEvent, nowMs: number): ViewState {
  switch (event.kind) {
    case 'resolved': {
      const sizes = new Map(event.files.map((file) => [file.path, file.sizeBytes]));
      return { ...state, resolved: event, sizes, samples: [{ atMs: nowMs, movedBytes: 0 }] };
    }
    case 'waiting':
      return { ...state, waitingUntilMs: Math.max(state.waitingUntilMs, nowMs + event.waitMs) };
    case 'progress':
      return withProgress(state, event, nowMs);
    case 'files_done': {
      const placed = new Set(event.files.map(({ path }) => path));
      const active = state.active.filter(({ path }) => !placed.has(path));
      return { ...state, filesDone: state.filesDone + placed.size, active };
    }
    case 'file_failed': {
      const { path, error } = event;
      return { ...state, failed: [...state.failed, { path, error }], active: without(state.active, path) };
    }
    case 'chunk':
      return state;
    case 'done':
      return withSummary(state, event.summary);
  }
}

function without(active: readonly ActiveFile[], path: string): readonly ActiveFile[] {
  return active.filter((file) => file.path !== path);
}

function withProgress(state: ViewState, event: ProgressEvent, nowMs: number): ViewState {
  const { bytesFromPeers, bytesFromOrigin, bytesFromCache, bytesDone, peers } = event;
  return {
    ...state,
    // The engine counts as files land; its events may be behind its counter, never the other way.
    filesDone: Math.max(state.filesDone, event.filesDone),
    bytesDone,
    origins: { bytesFromPeers, bytesFromOrigin, bytesFromCache },
    peers,
    active: event.active.map((file) => ({
      ...file,
      sizeBytes: state.sizes.get(file.path) ?? file.bytesDone,
    })),
    samples: addSample(state.samples, { atMs: nowMs, movedBytes: bytesFromPeers + bytesFromOrigin }),
  };
}

function addSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const previous = samples.at(-2);
  const fresh = samples.filter(({ atMs }) => sample.atMs - atMs <= RATE_WINDOW_MS);
  // The newest sample moves along until it is far enough from the one before it.
  if (previous && sample.atMs - previous.atMs < SAMPLE_INTERVAL_MS) return [...fresh.slice(0, -1), sample];
  return [...fresh, sample];
}

function withSummary(state: ViewState, summary: DownloadSummary): ViewState {
  const { bytesFromPeers, bytesFromOrigin, bytesFromCache } = summary;
  return {
    ...state,
    filesDone: summary.files,
    bytesDone: summary.bytes,
    origins: { bytesFromPeers, bytesFromOrigin, bytesFromCache },
    active: [],
    summary,
  };
}

/** Bytes per second from peers and origin over the last seconds; `undefined` before there is a second to judge by. */
export function currentRate(state: ViewState, nowMs: number): number | undefined {
  const inWindow = state.samples.filter(({ atMs }) => nowMs - atMs <= RATE_WINDOW_MS);
  const first = inWindow[0] ?? state.samples.at(-1);
  const last = state.samples.at(-1);
  if (!first || !last) return undefined;
  const spanMs = nowMs - first.atMs;
  return spanMs < 1_000 ? undefined : ((last.movedBytes - first.movedBytes) / spanMs) * 1000;
}

/** Time left at the current rate; `undefined` where that says nothing. */
export function timeLeftMs(state: ViewState, nowMs: number): number | undefined {
  const rate = currentRate(state, nowMs);
  if (!state.resolved || !rate) return undefined;
  return ((state.resolved.totalBytes - state.bytesDone) / rate) * 1000;
}

/** Why nothing moves, while an origin has asked to wait; empty otherwise. */
export function waitingText({ waitingUntilMs }: ViewState, nowMs: number): string {
  if (nowMs >= waitingUntilMs) return '';
  return `the hub limits requests: going on in ${formatClock(waitingUntilMs - nowMs)}`;
}
