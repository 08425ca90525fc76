// What `npm run bench:small` can be told.

import { countOf, readFlags, textOf } from '../kit/options.ts';

export interface SmallOptions {
  readonly peers: number;
  readonly files: number;
  readonly fileBytes: number;
  readonly runs: number;
  readonly dir: string | undefined;
  /** Where CPU profiles of the daemons' main threads are left. */
  readonly profileDir: string | undefined;
  readonly json: boolean;
}

const HELP = `npm run bench:small -- [options]

Delivers many small files to many peers, and as many bytes in one file: how much longer the small ones take. A hub
emulator, a scheduler, a seed and the peers' daemons run as processes of this machine, with a dfget for each peer.

  --peers <n>        (default 16)
  --files <n>        small files (default 1000)
  --file-size <n>    bytes of each (default 10000); the one file has as many bytes as all of them
  --runs <n>         of each, in turns, of which the median counts (default 3)
  --dir <folder>     where to write, e.g. /dev/shm (default: a temporary folder)
  --profile <dir>    leaves CPU profiles of the main threads of a peer and the seed there
  --json             ends with one JSON object on a line
`;

export function readSmallOptions(): SmallOptions {
  const text = { type: 'string' } as const;
  const flags = {
    peers: { ...text, default: '16' },
    files: { ...text, default: '1000' },
    'file-size': { ...text, default: '10000' },
    runs: { ...text, default: '3' },
    dir: text,
    profile: text,
    json: { type: 'boolean', default: false } as const,
  };
  return readFlags(HELP, flags, (values) => ({
    peers: countOf(values, 'peers', { min: 1, max: 200 }),
    files: countOf(values, 'files', { min: 1, max: 20_000 }),
    fileBytes: countOf(values, 'file-size', { min: 1, max: 256 * 1024 }),
    runs: countOf(values, 'runs', { min: 1, max: 99 }),
    dir: textOf(values, 'dir'),
    profileDir: textOf(values, 'profile'),
    json: values['json'] === true,
  }));
}
