// What `npm run bench:origin` can be told.

import { countOf, readFlags, sizeOf, textOf } from '../kit/options.ts';

export interface OriginOptions {
  readonly sizeBytes: number;
  readonly runs: number;
  /** Ranges that are read at the same time. */
  readonly reads: number;
  readonly dir: string | undefined;
  readonly json: boolean;
}

const HELP = `npm run bench:origin -- [options]

Reads a file from nginx over loopback as a reader of the origin does, in parallel ranges, each byte copied once into a
piece; by the way of large bodies and by that of small ones (undici), with curl, and by a seed that stores, hashes and
hands out what it reads.

  --size <size>    of the file (default 1GiB)
  --runs <n>       of each, in turns; the median counts (default 3)
  --reads <n>      ranges at the same time (default 4)
  --dir <folder>   where the file is, e.g. /dev/shm (default: a temporary folder)
  --json           ends with one JSON object on a line
`;

export function readOriginOptions(): OriginOptions {
  const text = { type: 'string' } as const;
  const flags = {
    size: { ...text, default: '1GiB' },
    runs: { ...text, default: '3' },
    reads: { ...text, default: '4' },
    dir: text,
    json: { type: 'boolean', default: false } as const,
  };
  return readFlags(HELP, flags, (values) => ({
    sizeBytes: sizeOf(values, 'size'),
    runs: countOf(values, 'runs', { min: 1, max: 99 }),
    reads: countOf(values, 'reads', { min: 1, max: 64 }),
    dir: textOf(values, 'dir'),
    json: values['json'] === true,
  }));
}
