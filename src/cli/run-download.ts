// One download from its request to its exit code: feeds the events to the state and the presenter, and tells the end.

import pc from 'picocolors';
import {
  AnaxError,
  type ErrorRecord,
  ExitCode,
  formatBytes,
  systemErrorCode,
  toErrorRecord,
} from '../core/index.ts';
import type { DownloadEngine, DownloadRequest } from '../rpc/index.ts';
import { type CliContext, wantsColour } from './context.ts';
import { errorLines, exitCodeOf, exitCodeOfFiles, failedFileLines } from './error-text.ts';
import type { Presenter } from './presenter.ts';
import { fileTable, summaryLines } from './summary.ts';
import { initialState, reduce, type ViewState } from './view-state.ts';

export interface RunOptions {
  /** `dfget` or `anax`. */
  readonly program: string;
  readonly json: boolean;
  /** Nothing but results and errors. */
  readonly quiet: boolean;
  /** Ends the download, with the reason as its error. */
  readonly signal: AbortSignal;
}

/** Runs it to the end, whatever that is. Returns the exit code. */
export async function runDownload(
  context: CliContext,
  engine: DownloadEngine,
  request: DownloadRequest,
  presenter: Presenter,
  options: RunOptions,
): Promise<number> {
  let state = initialState(request.url, context.now());
  let failure: ErrorRecord | undefined;
  let streamedBytes = 0;
  const { signal } = options;
  try {
    presenter.show(state);
    for await (const event of engine.download(request, signal)) {
      if (event.kind === 'chunk') {
        if (!(await writeChunk(context, event.content, signal))) return ExitCode.pipeClosed;
        streamedBytes += event.content.length;
        continue;
      }
      state = reduce(state, event, context.now());
      presenter.show(state, event);
    }
    if (!state.summary) throw new AnaxError('internal', 'the download ended without a summary');
    if (request.stream) checkStreamed(state, streamedBytes);
  } catch (error) {
    failure = toErrorRecord(signal.aborted ? signal.reason : error);
  } finally {
    presenter.close();
  }
  return tellEnd(context, request, options, state, failure);
}

/** False where nobody reads standard output any more, which is no error. */
async function writeChunk(context: CliContext, content: Uint8Array, signal: AbortSignal): Promise<boolean> {
  try {
    await context.bytesOutput.write(content, signal);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EPIPE') return false;
    throw error;
  }
}

/** A daemon that does not know of streams delivers into its cache, and gives nothing. */
function checkStreamed({ resolved, failed }: ViewState, streamedBytes: number): void {
  if (failed.length > 0 || streamedBytes === resolved?.totalBytes) return;
  throw new AnaxError('daemon_unavailable', 'the daemon does not stream files: it is of another version', {
    hint: 'start it again with this version, or name a --cache-dir to do without it',
  });
}

function tellEnd(
  context: CliContext,
  request: DownloadRequest,
  options: RunOptions,
  state: ViewState,
  failure: ErrorRecord | undefined,
): number {
  const exitCode = failure ? exitCodeOf(failure) : exitCodeOfFiles(state.failed);
  const { stdout, stderr } = context;
  const colours = pc.createColors(wantsColour(stderr, context.env));
  const print = (output: { write(text: string): unknown }, lines: readonly string[]) => {
    for (const line of lines) output.write(`${line}\n`);
  };
  if (!options.quiet && !request.dryRun) {
    print(
      stderr,
      summaryLines(state, {
        colours,
        withPlace: stdout.isTTY !== true || options.json || exitCode !== ExitCode.ok,
      }),
    );
  }
  print(stderr, failedFileLines(options.program, state.failed, colours));
  if (failure) print(stderr, [...errorLines(options.program, failure, colours), ...keptLines(state)]);
  if (options.json) print(stdout, [JSON.stringify(summaryRecord(state, failure, exitCode))]);
  else if (exitCode === ExitCode.ok) print(stdout, resultLines(request, state));
  return exitCode;
}

/** After an error that ends all: what the next call will not have to fetch again. */
function keptLines({ resolved, bytesDone }: ViewState): string[] {
  if (!resolved || bytesDone === 0) return [];
  return [`  kept: ${formatBytes(bytesDone)} of ${formatBytes(resolved.totalBytes)} are verified`];
}

function resultLines(request: DownloadRequest, state: ViewState): string[] {
  if (request.dryRun) return state.resolved ? fileTable(state.resolved) : [];
  return state.summary?.outputPath === undefined ? [] : [state.summary.outputPath];
}

/** The last line of `--json`. */
function summaryRecord(state: ViewState, failure: ErrorRecord | undefined, exitCode: number): object {
  const { resolved, summary, failed } = state;
  return {
    kind: 'summary',
    ok: exitCode === ExitCode.ok,
    exitCode,
    ...(resolved && { url: resolved.url, revision: resolved.revision, snapshotId: resolved.snapshotId }),
    ...summary,
    failed,
    ...(failure && { error: failure }),
  };
}

/** The same, of a download that did not begin. */
export function failedSummary(error: ErrorRecord): object {
  return { kind: 'summary', ok: false, exitCode: exitCodeOf(error), failed: [], error };
}
