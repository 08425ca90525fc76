// `anax status`, `ls`, `rm`, `pin`, `unpin`, `verify`, `limits`: what the daemon on this host knows, holds and may, through
// its socket.

import type { Command } from 'commander';
import { ExitCode, formatBytes } from '../core/index.ts';
import type { ControlApi } from '../rpc/index.ts';
import type { CliContext } from './context.ts';
import { type DaemonOptions, daemonCommand, printLines, toSelector, withDaemon } from './daemon-command.ts';
import { defineLimits } from './limits-command.ts';
import { listingLines, statusLines } from './status-view.ts';
import { plural } from './text.ts';
import { defineVerify } from './verify-command.ts';

type Done = (exitCode: number) => void;
type Use = (daemon: ControlApi, json: boolean) => Promise<number>;

const PIN_HELP = {
  pin: 'Keeps a blob, or all blobs of a snapshot, in the cache whatever its capacity.',
  unpin: 'Takes a pin back, so that the capacity holds again.',
};

/** Adds the commands. */
export function defineCacheCommands(program: Command, context: CliContext, done: Done): void {
  const { signal } = context.interrupt;
  const print = (lines: readonly string[]) => printLines(context, lines);
  const printJson = (value: unknown) => print([JSON.stringify(value)]);
  const run = async (options: DaemonOptions, use: Use) =>
    done(await withDaemon(context, options, (daemon) => use(daemon, options.json === true)));

  daemonCommand(program, 'status', 'Shows what the daemon is and does.').action(
    async (options: DaemonOptions) =>
      await run(options, async (daemon, json) => {
        const status = await daemon.status(signal);
        if (json) {
          const { publicKey, ...peer } = status.peer;
          printJson({ ...status, peer: { ...peer, publicKey: Buffer.from(publicKey).toString('hex') } });
        } else print(statusLines(status));
        return ExitCode.ok;
      }),
  );

  daemonCommand(program, 'ls', 'Lists what the cache holds.').action(
    async (options: DaemonOptions) =>
      await run(options, async (daemon, json) => {
        const listing = await daemon.list(signal);
        if (json) printJson(listing);
        else print(listingLines(listing, Date.now()));
        return ExitCode.ok;
      }),
  );

  daemonCommand(program, 'rm', 'Removes a blob, or the blobs that only this snapshot uses, from the cache.')
    .argument('<digest|snapshot>', 'sha256:… or a snapshot id (its first 8 digits or more)')
    .action(
      async (name: string, options: DaemonOptions) =>
        await run(options, async (daemon, json) => {
          const removed = await daemon.remove(toSelector(name), signal);
          if (json) printJson(removed);
          else print([`removed ${plural(removed.blobs, 'blob')}, ${formatBytes(removed.freedBytes)}`]);
          return ExitCode.ok;
        }),
    );

  for (const verb of ['pin', 'unpin'] as const) {
    daemonCommand(program, verb, PIN_HELP[verb])
      .argument('<digest|snapshot>', 'sha256:… or a snapshot id (its first 8 digits or more)')
      .action(
        async (name: string, options: DaemonOptions) =>
          await run(options, async (daemon, json) => {
            const result = await daemon[verb](toSelector(name), signal);
            if (json) printJson(result);
            else print([`${verb}ned ${result.name}, ${plural(result.blobs, 'blob')}`]);
            return ExitCode.ok;
          }),
      );
  }

  defineVerify(program, context, done);
  defineLimits(program, context, done);
}
