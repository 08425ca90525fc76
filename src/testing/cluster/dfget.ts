// Runs the real dfget as a process and reads its JSON lines.

import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DownloadEvent, DownloadSummary } from '../../rpc/index.ts';
import { spawnNode } from './process.ts';

export interface DfgetResult {
  readonly exitCode: number | null;
  readonly events: readonly DownloadEvent[];
  /** Of the `done` event, where there was one. */
  readonly summary: DownloadSummary | undefined;
  readonly stderr: string;
  readonly seconds: number;
}

export interface DfgetRun {
  readonly child: ChildProcess;
  readonly result: Promise<DfgetResult>;
}

const ENTRY = join(import.meta.dirname, '..', '..', 'cli', 'dfget.ts');

/** Starts `dfget --json …`; `onEvent` sees each event as it comes. */
export function startDfget(
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly onEvent?: (event: DownloadEvent) => void;
  } = {},
): DfgetRun {
  const startedMs = performance.now();
  const child = spawnNode(ENTRY, ['--json', ...args], options.env);
  const events: DownloadEvent[] = [];
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (child.stdout) {
    createInterface(child.stdout).on('line', (line) => {
      const event = JSON.parse(line) as DownloadEvent;
      events.push(event);
      options.onEvent?.(event);
    });
  }
  const result = new Promise<DfgetResult>((resolve) => {
    child.once('close', (exitCode) => {
      const done = events.findLast((event) => event.kind === 'done');
      const seconds = (performance.now() - startedMs) / 1000;
      resolve({
        exitCode,
        events,
        summary: done?.kind === 'done' ? done.summary : undefined,
        stderr,
        seconds,
      });
    });
  });
  return { child, result };
}

/** Runs dfget to its end. */
export async function dfget(...args: Parameters<typeof startDfget>): Promise<DfgetResult> {
  return startDfget(...args).result;
}
