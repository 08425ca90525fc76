// What the commands get from the process: streams, environment, host, signals, and the parts of Anax they start. The one
// place that reads them; tests pass their own.

import { readFileSync } from 'node:fs';
import { availableParallelism, homedir, hostname } from 'node:os';
import type { EnvironmentValues, HostFacts } from '../config/index.ts';
import { type BytesOutput, createBytesOutput } from './bytes-output.ts';
import type { CliParts } from './engine-port.ts';
import { createInterrupt, type Interrupt } from './interrupt.ts';
import { lazyParts } from './parts.ts';

/** A stream to write text to, with what the display needs to know of it. */
export interface CliOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface CliContext {
  /** Results only. */
  readonly stdout: CliOutput;
  /** The same, for what is no text. */
  readonly bytesOutput: BytesOutput;
  /** Progress, summaries, errors. */
  readonly stderr: NodeJS.WriteStream | CliOutput;
  readonly env: EnvironmentValues;
  readonly cwd: string;
  readonly host: HostFacts;
  readonly version: string;
  readonly parts: CliParts;
  readonly interrupt: Interrupt;
  /** Milliseconds; for rates and times shown. */
  now(): number;
}

export function createProcessContext(): CliContext {
  return {
    stdout: process.stdout,
    bytesOutput: createBytesOutput(process.stdout),
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    host: {
      isRoot: process.getuid?.() === 0,
      home: homedir(),
      hostname: hostname(),
      cores: availableParallelism(),
    },
    version: readVersion(),
    parts: lazyParts,
    interrupt: createInterrupt(process),
    now: () => performance.now(),
  };
}

/** package.json is two folders up in the sources and in the build alike. */
function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}

/** Whether colours may be used on a stream (no-color.org, force-color.org). */
export function wantsColour(output: CliOutput, env: EnvironmentValues): boolean {
  if (env['NO_COLOR']) return false;
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return true;
  return isTerminal(output, env);
}

/** Whether lines on a stream can be drawn over. */
export function isTerminal(output: CliOutput, env: EnvironmentValues): boolean {
  return output.isTTY === true && env['TERM'] !== 'dumb';
}
