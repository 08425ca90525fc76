// What `npm run bench:store` can be told.

import { countOf, readFlags, textOf } from '../kit/options.ts';

export interface StoreOptions {
  readonly blobs: number;
  /** How many of them are evicted. */
  readonly evictions: number;
  /** Starts and replays; the median counts. */
  readonly runs: number;
  readonly dir: string | undefined;
  readonly json: boolean;
}

const HELP = `npm run bench:store -- [options]

Commits many small blobs, starts the store with them, evicts some, and opens a 16 GiB partial blob from its journal.

  --blobs <n>      blobs to commit (default 10000)
  --evict <n>      blobs to evict, less than those (default 1000)
  --runs <n>       starts and replays, of which the median counts (default 3)
  --dir <folder>   where to write, e.g. /dev/shm (default: a temporary folder)
  --json           ends with one JSON object on a line
`;

export function readStoreOptions(): StoreOptions {
  const text = { type: 'string' } as const;
  const flags = {
    blobs: { ...text, default: '10000' },
    evict: { ...text, default: '1000' },
    runs: { ...text, default: '3' },
    dir: text,
    json: { type: 'boolean', default: false } as const,
  };
  return readFlags(HELP, flags, (values) => {
    const blobs = countOf(values, 'blobs', { min: 2, max: 1_000_000 });
    return {
      blobs,
      evictions: countOf(values, 'evict', { min: 1, max: blobs - 1 }),
      runs: countOf(values, 'runs', { min: 1, max: 99 }),
      dir: textOf(values, 'dir'),
      json: values['json'] === true,
    };
  });
}
