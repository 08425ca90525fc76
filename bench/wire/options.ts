// What `npm run bench:wire` can be told.

import { countOf, readFlags, sizeOf, textOf } from '../kit/options.ts';

export interface WireOptions {
  readonly sizeBytes: number;
  readonly runs: number;
  /** Where everything is written; absent: the system's folder for temporary files. */
  readonly dir: string | undefined;
  readonly json: boolean;
  /** Where the daemons leave profiles of their main threads. */
  readonly profileDir: string | undefined;
}

const HELP = `npm run bench:wire -- [options]

One parent gives a model to one child over loopback, both real daemons; beside it nginx to curl, nginx to aria2 with 8
connections, and iperf3, in turns. Prints medians and spreads.

  --size <size>     bytes of the model, e.g. 4GiB (default 2GiB)
  --runs <n>        runs of each (default 3)
  --dir <folder>    where to write, e.g. /dev/shm (default: a temporary folder)
  --json            ends with one JSON object on a line
  --profile <dir>   the daemons write CPU profiles there when they stop
`;

export function readWireOptions(): WireOptions {
  const text = { type: 'string' } as const;
  const flags = {
    size: { ...text, default: '2GiB' },
    runs: { ...text, default: '3' },
    dir: text,
    profile: text,
    json: { type: 'boolean', default: false } as const,
  };
  return readFlags(HELP, flags, (values) => ({
    sizeBytes: sizeOf(values, 'size'),
    runs: countOf(values, 'runs', { min: 1, max: 99 }),
    dir: textOf(values, 'dir'),
    json: values['json'] === true,
    profileDir: textOf(values, 'profile'),
  }));
}
