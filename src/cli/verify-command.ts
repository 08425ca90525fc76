// `anax verify`: has the daemon check its cache, and tells what it finds.

import type { Command } from 'commander';
import { parseRate } from '../config/index.ts';
import { ExitCode, formatBytes } from '../core/index.ts';
import type { VerifyEvent } from '../rpc/index.ts';
import { type CliContext, isTerminal } from './context.ts';
import { type DaemonOptions, daemonCommand, printLines, toSelector, withDaemon } from './daemon-command.ts';
import { plural } from './text.ts';

interface VerifyOptions extends DaemonOptions {
  readonly rate?: number;
}

/** Between two lines of progress in a log. */
const CALM_INTERVAL_MS = 10_000;

/** Adds the command. Exit code 8 where anything was damaged, mended or not. */
export function defineVerify(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  daemonCommand(
    program,
    'verify',
    'Reads what the cache holds and checks it. Wrong pieces are dropped and fetched again from peers or the origin.',
  )
    .argument('[digest|snapshot]', 'only this one (default: everything)')
    .option('--rate <rate>', 'limit on reading per second, e.g. 500MiB (default: 256MiB)', parseRate)
    .action(async (name: string | undefined, options: VerifyOptions) => {
      done(await verify(context, name, options));
    });
}

function verify(context: CliContext, name: string | undefined, options: VerifyOptions): Promise<number> {
  return withDaemon(context, options, async (daemon) => {
    const request = {
      ...(name !== undefined && { target: toSelector(name) }),
      ...(options.rate !== undefined && { bytesPerSecond: options.rate }),
    };
    const show = options.json
      ? (event: VerifyEvent) => printLines(context, [JSON.stringify(event)])
      : textPresenter(context);
    let exitCode: number = ExitCode.ok;
    for await (const event of daemon.verify(request, context.interrupt.signal)) {
      show(event);
      if (event.kind === 'done' && event.badBlobs > 0) exitCode = ExitCode.integrity;
    }
    return exitCode;
  });
}

/** Findings on standard output; progress on standard error: one line drawn over on a terminal, now and then one else. */
function textPresenter(context: CliContext): (event: VerifyEvent) => void {
  const { stderr, env } = context;
  const canDraw = isTerminal(stderr, env);
  let nextLineMs = context.now() + CALM_INTERVAL_MS;
  return (event) => {
    if (event.kind !== 'progress') {
      if (canDraw) stderr.write(CLEAR_LINE);
      printLines(context, verifyLines(event));
    } else if (canDraw) {
      stderr.write(`${CLEAR_LINE}${progressLine(event)}`);
    } else if (context.now() >= nextLineMs) {
      nextLineMs = context.now() + CALM_INTERVAL_MS;
      stderr.write(`${progressLine(event)}\n`);
    }
  };
}

const CLEAR_LINE = '\r\u001b[K';

type EventOf<Kind extends VerifyEvent['kind']> = Extract<VerifyEvent, { kind: Kind }>;

function progressLine({ blobs, totalBlobs, bytes, totalBytes }: EventOf<'progress'>): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes);
  const amount = `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`;
  return `${Math.floor(share * 100)}%  ${amount}  ${blobs} of ${plural(totalBlobs, 'blob')}`;
}

function verifyLines(event: Exclude<VerifyEvent, EventOf<'progress'>>): string[] {
  switch (event.kind) {
    case 'blob': {
      const { good, digest, sizeBytes, badPieces } = event;
      return good
        ? []
        : [`BAD        ${digest}  ${formatBytes(sizeBytes)}  ${plural(badPieces, 'wrong piece')}`];
    }
    case 'repair':
      return [event.ok ? mendedLine(event) : `not mended ${event.digest}  ${event.error.message}`];
    case 'done':
      return [`${plural(event.blobs, 'blob')}, ${formatBytes(event.bytes)}: ${verdict(event)}`];
  }
}

function mendedLine({ digest, bytesFromPeers, bytesFromOrigin }: EventOf<'repair'> & { ok: true }): string {
  const from = `${formatBytes(bytesFromPeers)} from peers, ${formatBytes(bytesFromOrigin)} from the origin`;
  return `mended     ${digest}  ${from}`;
}

function verdict({ badBlobs, repairedBlobs }: EventOf<'done'>): string {
  if (badBlobs === 0) return 'all good';
  const left = badBlobs - repairedBlobs;
  const rest = left === 0 ? '' : `, ${left} to be fetched with the next download`;
  return `${badBlobs} damaged, ${repairedBlobs} mended${rest}`;
}
