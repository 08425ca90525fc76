// `anax limits`: shows the limits on the daemon's traffic, and changes them while it runs.

import type { Command } from 'commander';
import { parseRate } from '../config/index.ts';
import { ExitCode, formatBytes } from '../core/index.ts';
import type { TrafficLimits } from '../rpc/index.ts';
import type { CliContext } from './context.ts';
import { type DaemonOptions, daemonCommand, printLines, withDaemon } from './daemon-command.ts';
import { padEnd } from './text.ts';

interface LimitOptions extends DaemonOptions {
  readonly uploadRate?: number;
  readonly downloadRate?: number;
}

const LABEL_WIDTH = 10;

/** Adds the command. */
export function defineLimits(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  daemonCommand(
    program,
    'limits',
    'Shows the limits on traffic, or changes them until the daemon starts again. 0 is no limit.',
  )
    .option('--upload-rate <size>', 'bytes given to peers, per second, e.g. 1GiB', parseRate)
    .option('--download-rate <size>', 'bytes taken from peers and origins together, per second', parseRate)
    .action(async (options: LimitOptions) => done(await setLimits(context, options)));
}

function setLimits(context: CliContext, options: LimitOptions): Promise<number> {
  const { uploadRate, downloadRate } = options;
  return withDaemon(context, options, async (daemon) => {
    const change = {
      ...(uploadRate !== undefined && { uploadBytesPerSecond: uploadRate }),
      ...(downloadRate !== undefined && { downloadBytesPerSecond: downloadRate }),
    };
    const limits = await daemon.setLimits(change, context.interrupt.signal);
    printLines(context, options.json ? [JSON.stringify(limits)] : limitLines(limits));
    return ExitCode.ok;
  });
}

function limitLines({ uploadBytesPerSecond, downloadBytesPerSecond }: TrafficLimits): string[] {
  const line = (label: string, rate: number) =>
    padEnd(label, LABEL_WIDTH) + (rate === 0 ? 'no limit' : `${formatBytes(rate)}/s`);
  return [line('upload', uploadBytesPerSecond), line('download', downloadBytesPerSecond)];
}
