// What is said once at the end of a download, and the calm line in between. Pure text.

import type { Colors } from 'picocolors/types.js';
import { formatBytes } from '../core/index.ts';
import type { ResolvedEvent } from '../rpc/index.ts';
import { formatClock, formatSpan, formatTable, plural, shownUrl } from './text.ts';
import { currentRate, timeLeftMs, type ViewState, waitingText } from './view-state.ts';

export interface SummaryOptions {
  readonly colours: Colors;
  /** Whether to say where the result is (it also goes to standard output). */
  readonly withPlace: boolean;
}

/** The lines after the end of a download; empty without a summary. */
export function summaryLines(state: ViewState, { colours, withPlace }: SummaryOptions): string[] {
  const { summary, resolved } = state;
  if (!summary) return [];
  const mark = summary.filesFailed === 0 ? colours.green('✓') : colours.red('✗');
  const moved = summary.bytesFromPeers + summary.bytesFromOrigin;
  const rate = summary.seconds > 0 && moved > 0 ? ` (${formatBytes(moved / summary.seconds)}/s)` : '';
  const files = `${plural(summary.files, 'file')}, ${formatBytes(summary.bytes)}`;
  const failed =
    summary.filesFailed > 0 ? colours.red(`, ${plural(summary.filesFailed, 'file')} failed`) : '';
  const lines = [
    `${mark} ${colours.bold(shownUrl(resolved?.url ?? state.url))}`,
    `  ${files} in ${formatSpan(summary.seconds * 1000)}${rate}${failed}`,
    colours.dim(`  ${originLine(state)}`),
  ];
  if (withPlace && summary.outputPath !== undefined) lines.push(`  in ${summary.outputPath}`);
  return lines;
}

function originLine({ summary }: ViewState): string {
  if (!summary) return '';
  const requests = plural(summary.originRequests, 'request');
  return [
    `from peers ${formatBytes(summary.bytesFromPeers)}`,
    `origin ${formatBytes(summary.bytesFromOrigin)} (${requests})`,
    `cache ${formatBytes(summary.bytesFromCache)}`,
  ].join(' · ');
}

/** One line for logs: `42%  1.2 GiB of 2.9 GiB  81 MiB/s  0:21 left  3 of 10 files`. */
export function calmLine(state: ViewState, nowMs: number): string {
  const waiting = waitingText(state, nowMs);
  if (!state.resolved) return [`resolving ${state.url}`, waiting].filter(Boolean).join('  ');
  const { totalBytes } = state.resolved;
  const share = totalBytes === 0 ? 1 : state.bytesDone / totalBytes;
  const rate = currentRate(state, nowMs);
  const leftMs = timeLeftMs(state, nowMs);
  const failed = state.failed.length;
  return [
    `${Math.floor(share * 100)}%`,
    `${formatBytes(state.bytesDone)} of ${formatBytes(totalBytes)}`,
    ...(rate === undefined ? [] : [`${formatBytes(rate)}/s`]),
    ...(leftMs === undefined ? [] : [`${formatClock(leftMs)} left`]),
    `${state.filesDone} of ${plural(state.sizes.size, 'file')}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(waiting === '' ? [] : [waiting]),
  ].join('  ');
}

/** What a dry run prints: a line per file, and the totals. */
export function fileTable(resolved: ResolvedEvent): string[] {
  const rows = resolved.files.map(({ path, sizeBytes, digest }) => [
    formatBytes(sizeBytes),
    shortDigest(digest),
    path,
  ]);
  const columns = [{ title: 'SIZE', align: 'right' as const }, { title: 'DIGEST' }, { title: 'PATH' }];
  const totals = `${plural(resolved.files.length, 'file')}, ${formatBytes(resolved.totalBytes)} at ${shownUrl(resolved.url)}`;
  return [...formatTable(columns, rows), totals];
}

/** The algorithm and the first 12 digits. */
export function shortDigest(digest: string): string {
  return digest.replace(/^([^:]+:[0-9a-f]{12})[0-9a-f]+$/u, '$1');
}
