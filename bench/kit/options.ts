// What the benchmarks can be told, and the text for those who ask or mistype.

import { parseArgs } from 'node:util';
import { MiB } from '../../src/core/index.ts';

type Flags = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>;

const UNITS: Readonly<Record<string, number>> = { MiB, GiB: 1024 * MiB };

/** The flags that were given. Ends the process for `--help` and for flags that make no sense. */
export function readFlags<Options>(help: string, flags: Flags, read: (values: Values) => Options): Options {
  try {
    const options = { ...flags, help: { type: 'boolean' as const } };
    const { values } = parseArgs({ args: process.argv.slice(2), options });
    if (values['help'] !== true) return read(values);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exit(2);
  }
  process.stdout.write(help);
  process.exit(0);
}

export type Values = Readonly<Record<string, unknown>>;

export function textOf(values: Values, flag: string): string | undefined {
  const value = values[flag];
  return typeof value === 'string' ? value : undefined;
}

export function countOf(values: Values, flag: string, limits: { min: number; max: number }): number {
  const count = Number(values[flag]);
  if (Number.isInteger(count) && count >= limits.min && count <= limits.max) return count;
  throw new Error(`--${flag} is a number from ${limits.min} to ${limits.max}`);
}

export function sizeOf(values: Values, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)([MG]iB)$/u.exec(String(values[flag]));
  const bytes = match ? Math.round(Number(match[1]) * (UNITS[match[2] ?? ''] ?? 0)) : 0;
  if (bytes < MiB) throw new Error(`--${flag} is a size of at least 1MiB, e.g. 512MiB`);
  return bytes;
}
