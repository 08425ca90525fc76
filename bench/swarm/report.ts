// The figures of all runs, as a table for people and as one object for scripts.

import { formatBytes } from '../../src/core/index.ts';
import { plotCompletion } from '../../src/sim/plot.ts';
import { rounded, type Spread, spreadOf, spreadText, tableText } from '../kit/figures.ts';
import { boundSeconds, quantile } from './bound.ts';
import type { ContenderName, SwarmOptions } from './options.ts';
import type { Outcome } from './race.ts';

export interface SwarmFigures {
  readonly options: SwarmOptions;
  readonly machine: string;
  readonly outcomes: ReadonlyMap<ContenderName, readonly Outcome[]>;
  /** Why somebody is not there. */
  readonly leftOut: readonly string[];
}

export function makespan({ finishSeconds }: Outcome): number {
  return Math.max(...finishSeconds);
}

type Measure = (outcome: Outcome) => number | undefined;

/** Everything that a run says, by its name in the JSON. */
function measures(bound: number): Readonly<Record<string, Measure>> {
  return {
    makespanSeconds: makespan,
    ratioToBound: (outcome) => makespan(outcome) / bound,
    p50: ({ finishSeconds }) => quantile(finishSeconds, 0.5),
    p99: ({ finishSeconds }) => quantile(finishSeconds, 0.99),
    seedBytesRatio: ({ seedBytesRatio }) => seedBytesRatio,
    peerBytesRatio: ({ peerBytesRatio }) => peerBytesRatio,
    crossZoneRatio: ({ crossZoneRatio }) => crossZoneRatio,
    originBytesRatio: ({ originBytesRatio }) => originBytesRatio,
    originRequests: ({ originRequests }) => originRequests,
    cpuSecondsPerGiB: ({ cpuSecondsPerGiB }) => cpuSecondsPerGiB,
    peakRssMiB: ({ peakRssMiB }) => peakRssMiB,
    resolvedSeconds: ({ resolvedSeconds }) => resolvedSeconds,
    afterHealSeconds: ({ afterHealSeconds }) => afterHealSeconds,
  };
}

function spreadBy(outcomes: readonly Outcome[], measure: Measure): Spread | undefined {
  const values = outcomes.flatMap((outcome) => measure(outcome) ?? []);
  return values.length === 0 ? undefined : spreadOf(values);
}

const COLUMNS: Readonly<Record<string, { readonly head: string; readonly digits: number }>> = {
  makespanSeconds: { head: 'last peer, s', digits: 2 },
  ratioToBound: { head: '÷ bound', digits: 3 },
  p50: { head: 'p50, s', digits: 2 },
  seedBytesRatio: { head: 'seed sent ÷ F', digits: 2 },
  peerBytesRatio: { head: 'a peer took ÷ F', digits: 3 },
  crossZoneRatio: { head: 'cross-zone ÷ least', digits: 2 },
  originBytesRatio: { head: 'origin ÷ F', digits: 3 },
  originRequests: { head: 'requests', digits: 0 },
  cpuSecondsPerGiB: { head: 'CPU-s/GiB', digits: 2 },
  peakRssMiB: { head: 'peak MiB', digits: 0 },
  afterHealSeconds: { head: 'after the cut, s', digits: 2 },
};

export function swarmTable({ options, outcomes, leftOut }: SwarmFigures): string {
  const all = measures(boundSeconds(options));
  const hidden = new Set([
    options.zones === 1 && 'crossZoneRatio',
    options.partition === undefined && 'afterHealSeconds',
  ]);
  const columns = Object.entries(COLUMNS).filter(([name]) => !hidden.has(name));
  const rows = [...outcomes].map(([who, runs]) => [
    who,
    ...columns.map(([name, { digits }]) => {
      const spread = all[name] && spreadBy(runs, all[name]);
      return spread ? spreadText(spread, digits) : '';
    }),
  ]);
  const table = tableText([['', ...columns.map(([, { head }]) => head)], ...rows]);
  return [table, ...leftOut.map((reason) => `left out: ${reason}`)].join('\n');
}

/** Medians by contender, with the least and the greatest makespan, and the conditions. */
export function swarmObject({ options, machine, outcomes, leftOut }: SwarmFigures): Record<string, unknown> {
  const { peers, bitsPerSecond, sizeBytes, zones, runs, warmSeed } = options;
  const { killSeedAt, killSchedulerAt, partition } = options;
  const bound = boundSeconds(options);
  const contenders = [...outcomes].map(([who, all]) => [who, medians(all, bound)]);
  return {
    conditions: {
      peers,
      bitsPerSecond,
      sizeBytes,
      zones,
      runs,
      warmSeed,
      ...(killSeedAt !== undefined && { killSeedAt }),
      ...(killSchedulerAt !== undefined && { killSchedulerAt }),
      ...(partition !== undefined && { partition }),
      boundSeconds: rounded(bound),
      machine,
    },
    ...Object.fromEntries(contenders),
    ...(leftOut.length > 0 && { leftOut }),
  };
}

function medians(outcomes: readonly Outcome[], bound: number): Record<string, unknown> {
  const entries = Object.entries(measures(bound)).flatMap(([name, measure]) => {
    const spread = spreadBy(outcomes, measure);
    return spread ? [[name, rounded(spread.median)] as const] : [];
  });
  const { min, max } = spreadOf(outcomes.map(makespan));
  return { ...Object.fromEntries(entries), makespanSpread: { min: rounded(min), max: rounded(max) } };
}

/** The last run of each as a picture. */
export function swarmPlot({ options, outcomes }: SwarmFigures): string {
  const { peers, bitsPerSecond, sizeBytes } = options;
  return plotCompletion({
    title: `${formatBytes(sizeBytes)} to ${peers} peers on links of ${bitsPerSecond / 1e6} Mbit/s`,
    peers,
    boundSeconds: boundSeconds(options),
    series: [...outcomes].map(([name, runs]) => ({ name, finishSeconds: runs.at(-1)?.finishSeconds ?? [] })),
  });
}
