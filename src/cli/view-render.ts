// A running download as lines for a terminal. Pure: a state, a width, a time and colours give lines no wider than that.

import type { Colors } from 'picocolors/types.js';
import { formatBytes } from '../core/index.ts';
import { formatClock, padEnd, padStart, plural, shownUrl, textWidth, truncateMiddle } from './text.ts';
import { type ActiveFile, currentRate, timeLeftMs, type ViewState, waitingText } from './view-state.ts';

export interface RenderOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly nowMs: number;
  readonly colours: Colors;
}

/** Active files shown with a line of their own, at most. */
const MAX_ACTIVE_LINES = 8;
const MIN_WIDTH = 40;
/** Wider lines are harder to read, not easier. */
const MAX_WIDTH = 120;
const FILE_BAR_WIDTH = 16;
const MIN_BAR_WIDTH = 8;
const BYTES_WIDTH = '1023 MiB'.length;
const RATE_WIDTH = BYTES_WIDTH + '/s'.length;
const CLOCK_WIDTH = '0:00:00'.length;

export function render(state: ViewState, options: RenderOptions): string[] {
  const width = Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, options.width)) - 1;
  const { colours } = options;
  const title = colours.bold(truncateMiddle(shownUrl(state.resolved?.url ?? state.url), width));
  if (!state.resolved) {
    const waited = formatClock(options.nowMs - state.startedAtMs);
    const waiting = waitingText(state, options.nowMs);
    return [title, colours.dim(truncateMiddle(`  resolving  ${waited}  ${waiting}`.trimEnd(), width))];
  }
  return [
    title,
    totalLine(state, state.resolved.totalBytes, width, options),
    ...activeLines(state, width, colours),
    colours.dim(truncateMiddle(`  ${originsText(state)}`, width)),
    ...waitingLine(state, options.nowMs, colours),
    ...failedLine(state, colours),
  ];
}

function waitingLine(state: ViewState, nowMs: number, colours: Colors): string[] {
  const waiting = waitingText(state, nowMs);
  return waiting === '' ? [] : [colours.yellow(`  ${waiting}`)];
}

function totalLine(state: ViewState, totalBytes: number, width: number, options: RenderOptions): string {
  const { colours, nowMs } = options;
  const rate = currentRate(state, nowMs);
  const leftMs = timeLeftMs(state, nowMs);
  const share = totalBytes === 0 ? 1 : state.bytesDone / totalBytes;
  const total = formatBytes(totalBytes);
  const facts = [
    percent(share),
    `${padStart(formatBytes(state.bytesDone), BYTES_WIDTH)} / ${total}`,
    padStart(rate === undefined ? '' : `${formatBytes(rate)}/s`, RATE_WIDTH),
    padStart(leftMs === undefined ? '' : formatClock(leftMs), CLOCK_WIDTH),
  ];
  let text = facts.join('  ');
  // A narrow terminal gets less to read rather than broken lines.
  while (facts.length > 1 && width - textWidth(text) - 4 < MIN_BAR_WIDTH) {
    facts.pop();
    text = facts.join('  ');
  }
  return `  ${bar(share, width - textWidth(text) - 4, colours)}  ${text}`.trimEnd();
}

function activeLines(state: ViewState, width: number, colours: Colors): string[] {
  const shown = state.active.slice(0, MAX_ACTIVE_LINES);
  const more = state.active.length - shown.length;
  const lines = shown.map((file) => fileLine(file, width, colours));
  return more > 0 ? [...lines, colours.dim(`  … and ${more} more`)] : lines;
}

function fileLine({ path, bytesDone, sizeBytes }: ActiveFile, width: number, colours: Colors): string {
  const share = sizeBytes === 0 ? 1 : bytesDone / sizeBytes;
  const facts = `${percent(share)}  ${padStart(formatBytes(sizeBytes), BYTES_WIDTH)}`;
  const nameWidth = width - FILE_BAR_WIDTH - textWidth(facts) - 6;
  const name = padEnd(truncateMiddle(path, nameWidth), nameWidth);
  return `  ${name}  ${bar(share, FILE_BAR_WIDTH, colours)}  ${facts}`;
}

function originsText(state: ViewState): string {
  const { bytesFromPeers, bytesFromOrigin, bytesFromCache } = state.origins;
  return [
    `${state.filesDone} of ${plural(state.sizes.size, 'file')}`,
    `from ${plural(state.peers, 'peer')} ${formatBytes(bytesFromPeers)}`,
    `origin ${formatBytes(bytesFromOrigin)}`,
    `cache ${formatBytes(bytesFromCache)}`,
  ].join(' · ');
}

function failedLine(state: ViewState, colours: Colors): string[] {
  if (state.failed.length === 0) return [];
  return [colours.red(`  ${plural(state.failed.length, 'file')} failed`)];
}

function percent(share: number): string {
  return padStart(`${Math.floor(Math.min(1, share) * 100)}%`, 4);
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** Drawn in eighths of a column, so that a large file is seen to move. */
function bar(share: number, width: number, colours: Colors): string {
  const eighths = Math.floor(Math.min(1, Math.max(0, share)) * width * 8);
  const full = '█'.repeat(Math.floor(eighths / 8));
  const part = EIGHTHS[eighths % 8] ?? '';
  const rest = '░'.repeat(width - full.length - part.length);
  return `${colours.cyan(full + part)}${colours.dim(rest)}`;
}
