// Who carries the download out: the host's daemon if it answers, else an engine inside the command. A daemon that was
// named must answer; flags that only an engine inside can follow keep the daemon out.

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Config } from '../config/index.ts';
import { AnaxError, toAnaxError } from '../core/index.ts';
import { type ControlApi, connectControl, type DownloadEngine } from '../rpc/index.ts';
import { type ParsedOptions, startOptions } from './config-options.ts';
import type { CliContext } from './context.ts';

/** A daemon that accepts but does not answer for this long is as good as none, where an engine inside will do. */
const PING_TIMEOUT_MS = 2_000;
/** One that was named is waited for: on a busy machine a first answer takes seconds. */
const NAMED_PING_TIMEOUT_MS = 15_000;

/** Flags about the engine inside the command, which a daemon has settled for itself. */
const OWN_ENGINE_FLAGS = ['cacheDir', 'capacity', 'scheduler', 'zone', 'hostname'] as const;

export async function chooseEngine(
  context: CliContext,
  options: ParsedOptions,
  config: Config,
  { program, signal }: { readonly program: string; readonly signal: AbortSignal },
): Promise<DownloadEngine> {
  const endpoint = options['endpoint'];
  const own = OWN_ENGINE_FLAGS.filter((name) => options[name] !== undefined);
  if (typeof endpoint === 'string') {
    if (own.length > 0) {
      throw new AnaxError(
        'usage_invalid',
        '--endpoint names a daemon, which has its own cache and scheduler',
        {
          hint: 'leave out --endpoint, or the flags about the engine inside the command',
        },
      );
    }
    return await connectDaemon(context, endpoint);
  }
  const daemon = own.length > 0 ? undefined : await findDaemon(context, config.socket);
  if (daemon) return daemon;
  return await context.parts.openEngine({
    ...startOptions(context, config, 'command'),
    signal,
    onCacheBusy: (owner) => {
      const text = `waiting for process ${owner}, which uses the cache ${config.cacheDir}`;
      context.stderr.write(`${program}: ${text}\n`);
    },
  });
}

async function findDaemon(context: CliContext, socketPath: string): Promise<ControlApi | undefined> {
  const isSocket = await stat(socketPath).then(
    (found) => found.isSocket(),
    () => false,
  );
  if (!isSocket) return undefined;
  try {
    return await connectDaemon(context, socketPath, PING_TIMEOUT_MS);
  } catch (error) {
    context.interrupt.signal.throwIfAborted();
    if (toAnaxError(error).code === 'daemon_unavailable') return undefined;
    throw error;
  }
}

/** The daemon on a socket, after it answered. Throws `daemon_unavailable`. */
export async function connectDaemon(
  context: CliContext,
  endpoint: string,
  patienceMs = NAMED_PING_TIMEOUT_MS,
): Promise<ControlApi> {
  const socketPath = resolve(context.cwd, endpoint.replace(/^unix:(?:\/\/)?/u, ''));
  const daemon = connectControl(socketPath);
  const slow = AbortSignal.timeout(patienceMs);
  try {
    await daemon.ping(AbortSignal.any([context.interrupt.signal, slow]));
    return daemon;
  } catch (error) {
    await daemon.close();
    if (!slow.aborted) throw error;
    throw new AnaxError('daemon_unavailable', `${socketPath} gives no answer`);
  }
}
