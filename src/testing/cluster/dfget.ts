// Runs the real dfget as a process and reads its JSON lines.

import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ErrorRecord } from '../../core/index.ts';
import type { DownloadEvent, DownloadSummary } from '../../rpc/index.ts';
import { type NodeLaunch, spawnNode } from './process.ts';

/** The last line of `dfget --json`; the numbers are missing where the download ended before its end. */
export interface SummaryLine extends Partial<DownloadSummary> {
  readonly kind: 'summary';
  readonly ok: boolean;
  readonly exitCode: number;
  readonly failed: readonly { readonly path: string; readonly error: ErrorRecord }[];
  readonly error?: ErrorRecord;
}

export type DfgetLine = Exclude<DownloadEvent, { kind: 'done' }> | SummaryLine;

export interface DfgetResult {
  readonly exitCode: number | null;
  readonly lines: readonly DfgetLine[];
  readonly summary: SummaryLine | undefined;
  readonly stderr: string;
  readonly seconds: number;
}

export interface DfgetRun {
  readonly child: ChildProcess;
  readonly result: Promise<DfgetResult>;
}

const ENTRY = join(import.meta.dirname, '..', '..', 'cli', 'dfget.ts');

/** Starts `dfget --json …`; `onLine` sees each line as it comes. */
export function startDfget(
  args: readonly string[],
  options: NodeLaunch & { readonly onLine?: (line: DfgetLine) => void } = {},
): DfgetRun {
  const startedMs = performance.now();
  const child = spawnNode(ENTRY, ['--json', ...args], options);
  const lines: DfgetLine[] = [];
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (child.stdout) {
    createInterface(child.stdout).on('line', (text) => {
      const line = JSON.parse(text) as DfgetLine;
      lines.push(line);
      options.onLine?.(line);
    });
  }
  const result = new Promise<DfgetResult>((resolve) => {
    child.once('close', (exitCode) => {
      const summary = lines.find((line) => line.kind === 'summary');
      const seconds = (performance.now() - startedMs) / 1000;
      resolve({ exitCode, lines, summary, stderr, seconds });
    });
  });
  return { child, result };
}

/** Runs dfget to its end. */
export async function dfget(...args: Parameters<typeof startDfget>): Promise<DfgetResult> {
  return startDfget(...args).result;
}
