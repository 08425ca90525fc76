// `anax status`, `ls`, `rm`, `verify`: what the daemon on this host knows and holds, through its socket.

import type { Command } from 'commander';
import { AnaxError, ExitCode, formatBytes, parseDigest } from '../core/index.ts';
import type { BlobSelector, ControlApi, VerifyEvent } from '../rpc/index.ts';
import { connectDaemon } from './choose-engine.ts';
import { readConfig } from './config-options.ts';
import type { CliContext } from './context.ts';
import { listingLines, statusLines } from './status-view.ts';
import { plural } from './text.ts';

interface DaemonOptions {
  readonly endpoint?: string;
  readonly json?: true;
}

type Done = (exitCode: number) => void;
type Use = (daemon: ControlApi, json: boolean) => Promise<number>;

/** Adds the four commands. */
export function defineCacheCommands(program: Command, context: CliContext, done: Done): void {
  const { stdout } = context;
  const { signal } = context.interrupt;
  const print = (lines: readonly string[]) => void stdout.write(lines.map((line) => `${line}\n`).join(''));
  const printJson = (value: unknown) => print([JSON.stringify(value)]);
  const run = async (options: DaemonOptions, use: Use) => done(await withDaemon(context, options, use));

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

  daemonCommand(program, 'verify', 'Reads what the cache holds and checks it; wrong pieces are dropped.')
    .argument('[digest|snapshot]', 'only this one (default: everything)')
    .action(
      async (name: string | undefined, options: DaemonOptions) =>
        await run(options, async (daemon, json) => {
          let exitCode: number = ExitCode.ok;
          for await (const event of daemon.verify(
            name === undefined ? undefined : toSelector(name),
            signal,
          )) {
            if (json) printJson(event);
            else print(verifyLines(event));
            if (event.kind === 'done' && event.badBlobs > 0) exitCode = ExitCode.integrity;
          }
          return exitCode;
        }),
    );
}

function daemonCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--endpoint <socket>', "the daemon's Unix socket (default: where a daemon listens by default)")
    .option('--json', 'JSON on standard output');
}

async function withDaemon(context: CliContext, options: DaemonOptions, use: Use): Promise<number> {
  const endpoint = options.endpoint ?? (await readConfig(context, 'command', {})).socket;
  const daemon = await connectDaemon(context, endpoint);
  try {
    return await use(daemon, options.json === true);
  } finally {
    await daemon.close();
  }
}

/** Ids are shown with 12 digits; 8 are few enough to type and enough to be unambiguous on a host. */
function toSelector(name: string): BlobSelector {
  if (name.includes(':')) return { kind: 'digest', digest: parseDigest(name) };
  if (/^[0-9a-f]{8,64}$/u.test(name)) return { kind: 'snapshot', snapshotId: name };
  throw new AnaxError('usage_invalid', `neither a digest nor a snapshot: ${name}`, {
    hint: 'see anax ls; a snapshot needs its first 8 digits or more',
  });
}

function verifyLines(event: VerifyEvent): string[] {
  if (event.kind === 'done') {
    const bad = event.badBlobs === 0 ? 'all good' : `${event.badBlobs} bad`;
    return [`${plural(event.blobs, 'blob')}, ${formatBytes(event.bytes)}: ${bad}`];
  }
  if (event.good) return [`good  ${event.digest}  ${formatBytes(event.sizeBytes)}`];
  return [
    `BAD   ${event.digest}  ${formatBytes(event.sizeBytes)}  ${plural(event.badPieces, 'wrong piece')}`,
  ];
}
