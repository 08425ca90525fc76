// What the commands share that speak to the daemon on this host through its socket.

import type { Command } from 'commander';
import { AnaxError, parseDigest } from '../core/index.ts';
import type { BlobSelector, ControlApi } from '../rpc/index.ts';
import { connectDaemon } from './choose-engine.ts';
import { readConfig } from './config-options.ts';
import type { CliContext } from './context.ts';

export interface DaemonOptions {
  readonly endpoint?: string;
  readonly json?: true;
}

/** A subcommand with the options that all of them have. */
export function daemonCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--endpoint <socket>', "the daemon's Unix socket (default: where a daemon listens by default)")
    .option('--json', 'JSON on standard output');
}

/** Connects, runs `use` to its exit code, and lets go. Throws `daemon_unavailable`. */
export async function withDaemon(
  context: CliContext,
  options: DaemonOptions,
  use: (daemon: ControlApi) => Promise<number>,
): Promise<number> {
  const endpoint = options.endpoint ?? (await readConfig(context, 'command', {})).socket;
  const daemon = await connectDaemon(context, endpoint);
  try {
    return await use(daemon);
  } finally {
    await daemon.close();
  }
}

export function printLines({ stdout }: CliContext, lines: readonly string[]): void {
  stdout.write(lines.map((line) => `${line}\n`).join(''));
}

/** Ids are shown with 12 digits; 8 are few enough to type and enough to be unambiguous on a host. */
export function toSelector(name: string): BlobSelector {
  if (name.includes(':')) return { kind: 'digest', digest: parseDigest(name) };
  if (/^[0-9a-f]{8,64}$/u.test(name)) return { kind: 'snapshot', snapshotId: name };
  throw new AnaxError('usage_invalid', `neither a digest nor a snapshot: ${name}`, {
    hint: 'see anax ls; a snapshot needs its first 8 digits or more',
  });
}
