// Running a service: start it, say on one line that it is ready, wait for a signal or its own end, stop in time.

import type { Command } from 'commander';
import { AnaxError, ExitCode } from '../core/index.ts';
import { addConfigOptions, type ParsedOptions, readConfig, startOptions } from './config-options.ts';
import type { CliContext } from './context.ts';
import type { CliParts, RunningService, StartOptions } from './engine-port.ts';

export type ServiceName = 'daemon' | 'seed' | 'scheduler';

const DESCRIPTIONS: Readonly<Record<ServiceName, string>> = {
  daemon: "Runs the host's peer daemon: downloads for local callers, and gives to other peers.",
  seed: 'Runs the daemon as a seed peer, which fills from the origin on request.',
  scheduler: 'Runs the scheduler, which plans who exchanges with whom and who reads the origin.',
};

/** Adds `anax daemon`, `anax seed` or `anax scheduler`. */
export function defineService(
  program: Command,
  name: ServiceName,
  context: CliContext,
  done: (exitCode: number) => void,
): void {
  const command = program.command(name).description(DESCRIPTIONS[name]);
  command.option('--json', 'the ready line as JSON (it always is)');
  const part = name === 'scheduler' ? 'scheduler' : 'daemon';
  addConfigOptions(command, part, 'Settings:', name === 'seed' ? ['role'] : []);
  command.action(async (options: ParsedOptions) => {
    const forced = name === 'seed' ? { role: 'seed' } : {};
    const config = await readConfig(context, part, options, forced);
    const role = name === 'scheduler' ? name : config.role;
    done(await serve(context, name, startOptions(context, config, role)));
  });
}

/** Runs it until it is told to stop. Returns the exit code. */
async function serve(context: CliContext, name: ServiceName, options: StartOptions): Promise<number> {
  const { logger, config } = options;
  const { signal } = context.interrupt;
  const service = await starter(context.parts, name)(options);
  try {
    logger.info('ready', { ...service.ready });
    context.stdout.write(`${JSON.stringify({ ready: true, ...service.ready })}\n`);
    await endOrAbort(service, signal);
  } finally {
    logger.info('stopping', { stopWaitMs: config.stopWaitMs });
    await stopInTime(service, config.stopWaitMs);
  }
  logger.info('stopped');
  return ExitCode.ok;
}

function starter(parts: CliParts, name: ServiceName) {
  return (options: StartOptions) =>
    name === 'scheduler' ? parts.startScheduler(options) : parts.startDaemon(options);
}

async function endOrAbort(service: RunningService, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const aborted = Promise.withResolvers<void>();
  const onAbort = () => aborted.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([aborted.promise, ...(service.ended ? [service.ended] : [])]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Beyond its deadline a service gets this long for what it does after it, such as closing its store. */
const STOP_GRACE_MS = 2_000;

async function stopInTime(service: RunningService, deadlineMs: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const error = new AnaxError('timeout', `the stop took more than ${deadlineMs + STOP_GRACE_MS} ms`, {
    hint: 'what is verified is kept',
  });
  const timer = setTimeout(() => late.reject(error), deadlineMs + STOP_GRACE_MS);
  try {
    await Promise.race([service.stop(deadlineMs), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
