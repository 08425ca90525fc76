// The figures of all runs, as a table for people and as one object for scripts.

import { rounded, type Spread, spreadOf, spreadText, tableText } from '../kit/figures.ts';
import type { Transfer } from './transfer.ts';

export const CONTESTANTS = [
  'plain',
  'plainTwoWorkers',
  'tls',
  'tlsTwoWorkers',
  'nginxCurl',
  'nginxBare',
  'aria2',
] as const;
export type Contestant = (typeof CONTESTANTS)[number];

const NAMES: Readonly<Record<Contestant, string>> = {
  plain: 'anax, 1 worker',
  plainTwoWorkers: 'anax, 2 workers',
  tls: 'anax with TLS, 1 worker',
  tlsTwoWorkers: 'anax with TLS, 2 workers',
  nginxCurl: 'nginx → curl',
  nginxBare: 'nginx → read, BLAKE3, write',
  aria2: 'nginx → aria2, 8 connections',
};

export interface WireFigures {
  readonly transfers: ReadonlyMap<Contestant, readonly Transfer[]>;
  readonly iperf3: readonly number[];
  /** Why somebody is not there. */
  readonly leftOut: readonly string[];
}

export function wireTable({ transfers, iperf3, leftOut }: WireFigures): string {
  const head = [
    '',
    'GiB/s',
    'receiver CPU-s/GiB',
    'server CPU-s/GiB',
    'peak MiB: receiver',
    'server',
    'main thread: receiver',
    'server',
  ];
  const rows = [...transfers].map(([who, runs]) => tableRow(NAMES[who], runs));
  if (iperf3.length > 0) rows.push(['iperf3, one stream', spreadText(spreadOf(iperf3), 2)]);
  return [tableText([head, ...rows]), ...leftOut.map((reason) => `left out: ${reason}`)].join('\n');
}

function tableRow(name: string, runs: readonly Transfer[]): string[] {
  return [
    name,
    spreadText(spread(runs, 'gibPerSecond'), 2),
    spreadText(spread(runs, 'receiverCpuSecondsPerGiB'), 2),
    spreadText(spread(runs, 'serverCpuSecondsPerGiB'), 2),
    spreadText(spread(runs, 'receiverPeakRssMiB'), 0),
    spreadText(spread(runs, 'serverPeakRssMiB'), 0),
    ...shares(runs).map((share) => `${(share * 100).toFixed(0)} %`),
  ];
}

/** Of receiver and server; none where it was not measured. */
function shares(runs: readonly Transfer[]): number[] {
  const fields = ['receiverMainThreadShare', 'serverMainThreadShare'] as const;
  return fields.map((field) => spread(runs, field).median).filter((share) => !Number.isNaN(share));
}

function spread(runs: readonly Transfer[], field: keyof Transfer): Spread {
  return spreadOf(runs.map((run) => run[field] ?? Number.NaN));
}

export function wireObject({ transfers, iperf3, leftOut }: WireFigures): Readonly<Record<string, unknown>> {
  return {
    ...Object.fromEntries([...transfers].map(([who, runs]) => [who, medians(runs)])),
    ...(iperf3.length > 0 && { iperf3GibPerSecond: rounded(spreadOf(iperf3).median) }),
    ...(leftOut.length > 0 && { leftOut }),
  };
}

function medians(runs: readonly Transfer[]): Readonly<Record<string, number>> {
  const median = (field: keyof Transfer): number => rounded(spread(runs, field).median);
  const receiverPeakRssMiB = median('receiverPeakRssMiB');
  const serverPeakRssMiB = median('serverPeakRssMiB');
  const [receiverMainThreadShare, serverMainThreadShare] = shares(runs).map((share) => rounded(share));
  return {
    gibPerSecond: median('gibPerSecond'),
    receiverCpuSecondsPerGiB: median('receiverCpuSecondsPerGiB'),
    serverCpuSecondsPerGiB: median('serverCpuSecondsPerGiB'),
    peakRssMiB: Math.max(receiverPeakRssMiB, serverPeakRssMiB),
    receiverPeakRssMiB,
    serverPeakRssMiB,
    ...(receiverMainThreadShare !== undefined && { receiverMainThreadShare }),
    ...(serverMainThreadShare !== undefined && { serverMainThreadShare }),
  };
}
