// What `npm run bench:swarm` can be told.

import { MiB } from '../../src/core/index.ts';
import { countOf, readFlags, sizeOf, textOf, type Values } from '../kit/options.ts';
import { MEMORY_FOLDER } from '../kit/workspace.ts';

export const CONTENDERS = ['anax', 'star', 'aria2', 'libtorrent'] as const;
export type ContenderName = (typeof CONTENDERS)[number];

/** What may be cut off together with peers. */
export const SERVICES = ['seed', 'scheduler'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** A time during which some hosts do not reach the others. All reach the origin. */
export interface Partition {
  /** Share of the delivery at which it begins, from 0 to 1. */
  readonly at: number;
  readonly forMs: number;
  /** Peers that are cut off. */
  readonly peers: number;
  /** What is cut off with them. */
  readonly services: readonly ServiceName[];
}

export interface SwarmOptions {
  readonly peers: number;
  /** Of each host's link, in each direction. */
  readonly bitsPerSecond: number;
  readonly sizeBytes: number;
  readonly runs: number;
  readonly zones: number;
  readonly only: readonly ContenderName[];
  /** Whether Anax's seed has the file before the clock starts, as the rivals' seeds do. */
  readonly warmSeed: boolean;
  /** Anax's `--workers` on each host. */
  readonly workers: number;
  /** Shares of the delivery, from 0 to 1, at which Anax loses its seed or its scheduler. */
  readonly killSeedAt: number | undefined;
  readonly killSchedulerAt: number | undefined;
  /** What Anax's network suffers. */
  readonly partition: Partition | undefined;
  /** Real peers in few processes on loopback addresses, with the daemon's own rate limits, and no rivals. */
  readonly inProcess: boolean;
  readonly dir: string;
  readonly json: boolean;
  /** Where the picture goes. */
  readonly plot: string | undefined;
  /** Where the logs of Anax's processes go; absent: nowhere. */
  readonly logs: string | undefined;
}

const HELP = `npm run bench:swarm -- [options]

One seed delivers a file to N peers over links of the same rate: real processes, each host in a network namespace of its
own, each link shaped in both directions with tc. Beside Anax, in turns: star (nginx and curl), aria2 and libtorrent.
Needs root, and Debian's iproute2; the rivals' packages are installed if missing.

  --peers <n>              peers beside the seed (default 16; 200 with --in-process)
  --rate <rate>            of each link, e.g. 100Mbit (default 100Mbit; 2Mbit with --in-process)
  --size <size>            bytes of the file (default 128MiB; 64MiB with --in-process)
  --runs <n>               runs of each (default 3)
  --only <names>           of anax,star,aria2,libtorrent, e.g. anax,aria2 (default all)
  --zones <n>              zones that the peers are spread over (default 1)
  --warm-seed              Anax's seed has the file from the start, as the rivals' seeds have it
  --workers <n>            threads of each Anax daemon that move pieces (default 0: in the main thread, enough for such
                           links, and all of them share this machine's cores)
  --kill-seed-at <p>%      kills Anax's seed when the peers have that much on average
  --kill-scheduler-at <p>% the same with the scheduler
  --partition-at <p>%      cuts Anax's network in two when the peers have that much on average; both sides reach the
                           origin. Needs Debian's nftables, which is installed if missing
  --partition-for <s>      seconds that it is cut for (default 45: links are dead after 15, a reader is elected after 30)
  --partition-peers <n>    peers that are cut off (default half)
  --partition-with <names> what is cut off with them, of seed,scheduler (default nothing)
  --in-process             Anax alone: peers in few processes on 127.0.x.y, shaped by their own rate limits, beside one
                           peer alone under the same limits: T(N)/T(1). Needs no root
  --dir <folder>           where to write (default ${MEMORY_FOLDER})
  --plot <file.svg>        completion over time against the bound, of the last run of each
  --logs <folder>          keeps the logs of Anax's processes
  --json                   ends with one JSON object on a line
`;

export function readSwarmOptions(): SwarmOptions {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const flags = {
    peers: text,
    rate: text,
    size: text,
    runs: { ...text, default: '3' },
    only: { ...text, default: CONTENDERS.join(',') },
    zones: { ...text, default: '1' },
    'warm-seed': flag,
    workers: { ...text, default: '0' },
    'kill-seed-at': text,
    'kill-scheduler-at': text,
    'partition-at': text,
    'partition-for': { ...text, default: '45' },
    'partition-peers': text,
    'partition-with': text,
    'in-process': flag,
    dir: { ...text, default: MEMORY_FOLDER },
    plot: text,
    logs: text,
    json: flag,
  };
  return readFlags(HELP, flags, toOptions);
}

/** The most hosts that one zone's addresses allow for, with room for seed, origin and scheduler. */
const MAX_PEERS = 240;

export function toOptions(given: Values): SwarmOptions {
  const inProcess = given['in-process'] === true;
  const usual = inProcess
    ? { peers: '200', rate: '2Mbit', size: '64MiB' }
    : { peers: '16', rate: '100Mbit', size: '128MiB' };
  const values: Values = { ...usual, ...given };
  const peers = countOf(values, 'peers', { min: 1, max: MAX_PEERS });
  return {
    peers,
    bitsPerSecond: rateOf(values, 'rate'),
    sizeBytes: wholePieces(sizeOf(values, 'size')),
    runs: countOf(values, 'runs', { min: 1, max: 99 }),
    zones: countOf(values, 'zones', { min: 1, max: 16 }),
    only: namesOf(values, 'only', CONTENDERS),
    warmSeed: values['warm-seed'] === true,
    workers: countOf(values, 'workers', { min: 0, max: 2 }),
    killSeedAt: shareOf(values, 'kill-seed-at'),
    killSchedulerAt: shareOf(values, 'kill-scheduler-at'),
    partition: partitionOf(values, peers),
    inProcess,
    dir: textOf(values, 'dir') ?? MEMORY_FOLDER,
    json: values['json'] === true,
    plot: textOf(values, 'plot'),
    logs: textOf(values, 'logs'),
  };
}

function wholePieces(sizeBytes: number): number {
  if (sizeBytes % MiB !== 0) throw new Error('--size is a whole number of MiB');
  return sizeBytes;
}

const BITS: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9 };

function rateOf(values: Values, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmg])bit$/iu.exec(String(values[flag]));
  const bits = match ? Number(match[1]) * (BITS[(match[2] ?? '').toLowerCase()] ?? 0) : 0;
  if (bits < 1e6) throw new Error(`--${flag} is a rate of at least 1Mbit, e.g. 100Mbit`);
  return Math.round(bits);
}

function shareOf(values: Values, flag: string): number | undefined {
  const text = textOf(values, flag);
  if (text === undefined) return undefined;
  const match = /^(\d{1,2}(?:\.\d+)?)%$/u.exec(text);
  if (!match) throw new Error(`--${flag} is a share from 0% to 99%, e.g. 50%`);
  return Number(match[1]) / 100;
}

function partitionOf(values: Values, peers: number): Partition | undefined {
  const at = shareOf(values, 'partition-at');
  if (at === undefined) return undefined;
  const half = { 'partition-peers': String(Math.floor(peers / 2)) };
  return {
    at,
    forMs: countOf(values, 'partition-for', { min: 1, max: 600 }) * 1000,
    peers: countOf({ ...half, ...values }, 'partition-peers', { min: 1, max: peers - 1 }),
    services: namesOf(values, 'partition-with', SERVICES),
  };
}

/** Those of the names that are given, in the order of all. */
function namesOf<Name extends string>(values: Values, flag: string, all: readonly Name[]): Name[] {
  const names = textOf(values, flag)?.split(',') ?? [];
  const unknown = names.find((name) => !all.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`--${flag} knows ${all.join(', ')}, not ${unknown}`);
  return all.filter((name) => names.includes(name));
}
