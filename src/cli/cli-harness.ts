// For tests: a command line that writes into strings, and an engine that tells what it is told to.

import { AnaxError, type SnapshotId } from '../core/index.ts';
import type { DownloadEvent, DownloadRequest, DownloadSummary } from '../rpc/index.ts';
import type { BytesOutput } from './bytes-output.ts';
import type { CliContext } from './context.ts';
import type { CliParts } from './engine-port.ts';
import { type DefineProgram, runProgram } from './program.ts';

export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What the engine inside the command was asked for. */
  readonly requests: readonly DownloadRequest[];
}

export interface CliSetup {
  readonly env?: Readonly<Record<string, string>>;
  /** Events of a download; an error among them is thrown there. */
  readonly events?: readonly (DownloadEvent | Error)[];
  readonly home?: string;
  readonly signal?: AbortSignal;
  readonly parts?: Partial<CliParts>;
  readonly writeBytes?: BytesOutput['write'];
}

/** Runs a program without a terminal, without a daemon, in `/work`. */
export async function runCli(
  name: string,
  define: DefineProgram,
  args: readonly string[],
  setup: CliSetup = {},
): Promise<CliRun> {
  const out: string[] = [];
  const err: string[] = [];
  const requests: DownloadRequest[] = [];
  const unexpected = () => Promise.reject(new AnaxError('internal', 'not part of this test'));
  const context: CliContext = {
    stdout: { write: (text) => out.push(text) },
    bytesOutput: {
      isStuck: false,
      write: setup.writeBytes ?? (async (bytes) => void out.push(Buffer.from(bytes).toString())),
    },
    stderr: { write: (text) => err.push(text) },
    env: setup.env ?? {},
    cwd: '/work',
    host: { isRoot: false, home: setup.home ?? '/nowhere', hostname: 'node-1', cores: 2 },
    version: '1.2.3',
    interrupt: { signal: setup.signal ?? new AbortController().signal, release() {} },
    parts: {
      openEngine: () => Promise.resolve(scriptedEngine(setup.events ?? [], requests)),
      startDaemon: unexpected,
      startScheduler: unexpected,
      ...setup.parts,
    },
    now: () => 0,
  };
  const exitCode = await runProgram(name, define, args, context);
  return { exitCode, stdout: out.join(''), stderr: err.join(''), requests };
}

function scriptedEngine(events: readonly (DownloadEvent | Error)[], requests: DownloadRequest[]) {
  return {
    async *download(request: DownloadRequest, signal: AbortSignal) {
      requests.push(request);
      for (const event of events) {
        signal.throwIfAborted();
        if (event instanceof Error) throw event;
        yield event;
      }
    },
    close: () => Promise.resolve(),
  };
}

const MiB = 1024 * 1024;
export const SNAPSHOT = 'ab'.repeat(32) as SnapshotId;

/** A repository of two files, resolved. */
export const resolvedEvent: DownloadEvent = {
  kind: 'resolved',
  snapshotId: SNAPSHOT,
  url: 'hf://owner/name@0123456789abcdef0123456789abcdef01234567',
  revision: '0123456789abcdef0123456789abcdef01234567',
  files: [
    { path: 'config.json', sizeBytes: 1536, digest: `git-sha1:${'12'.repeat(20)}` },
    { path: 'model.safetensors', sizeBytes: 100 * MiB, digest: `sha256:${'34'.repeat(32)}` },
  ],
  totalBytes: 100 * MiB + 1536,
};

export function doneEvent(changes: Partial<DownloadSummary> = {}): DownloadEvent {
  return {
    kind: 'done',
    summary: {
      files: 2,
      filesFailed: 0,
      bytes: 100 * MiB + 1536,
      bytesFromPeers: 60 * MiB,
      bytesFromOrigin: 40 * MiB,
      bytesFromCache: 1536,
      originRequests: 4,
      seconds: 12.5,
      outputPath: '/work/out',
      ...changes,
    },
  };
}
