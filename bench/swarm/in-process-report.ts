// The figures of `--in-process`: many peers against one alone.

import { formatBytes, GiB } from '../../src/core/index.ts';
import { plotCompletion } from '../../src/sim/plot.ts';
import { rounded, type Spread, spreadOf, spreadText, tableText } from '../kit/figures.ts';
import { boundSeconds, quantile } from './bound.ts';
import type { ManyPeersOutcome } from './in-process.ts';
import type { SwarmOptions } from './options.ts';

export interface InProcessFigures {
  readonly options: SwarmOptions;
  readonly machine: string;
  /** By run: one peer, and all. */
  readonly alone: readonly ManyPeersOutcome[];
  readonly together: readonly ManyPeersOutcome[];
}

const makespan = ({ finishSeconds }: ManyPeersOutcome): number => Math.max(...finishSeconds);

function spread(
  outcomes: readonly ManyPeersOutcome[],
  measure: (outcome: ManyPeersOutcome) => number,
): Spread {
  return spreadOf(outcomes.map(measure));
}

/** T(N)/T(1), run by run. */
function againstOne({ alone, together }: InProcessFigures): Spread {
  return spreadOf(together.map((outcome, run) => makespan(outcome) / makespan(alone[run] ?? outcome)));
}

export function inProcessTable(figures: InProcessFigures): string {
  const { options, alone, together } = figures;
  const row = (peers: number, outcomes: readonly ManyPeersOutcome[]): string[] => [
    `${peers} peers`,
    spreadText(spread(outcomes, makespan), 2),
    spreadText(
      spread(outcomes, (each) => makespan(each) / boundSeconds({ ...options, peers })),
      3,
    ),
    spreadText(
      spread(outcomes, ({ originBytesRatio }) => originBytesRatio),
      3,
    ),
    spreadText(
      spread(outcomes, (each) => cpuPerGiB(each, options)),
      2,
    ),
    spreadText(
      spread(outcomes, ({ peakRssMiB }) => peakRssMiB),
      0,
    ),
  ];
  const head = ['', 'last peer, s', '÷ bound', 'origin ÷ F', 'CPU-s/GiB', 'peak MiB of a process'];
  const table = tableText([head, row(1, alone), row(options.peers, together)]);
  return `${table}\nT(${options.peers})/T(1): ${spreadText(againstOne(figures), 3)}`;
}

function cpuPerGiB({ cpuSeconds, peers }: ManyPeersOutcome, { sizeBytes }: SwarmOptions): number {
  return cpuSeconds / ((peers * sizeBytes) / GiB);
}

export function inProcessObject(figures: InProcessFigures): Record<string, unknown> {
  const { options, machine, alone, together } = figures;
  const { peers, bitsPerSecond, sizeBytes, runs } = options;
  const median = (
    outcomes: readonly ManyPeersOutcome[],
    measure: (outcome: ManyPeersOutcome) => number,
  ): number => rounded(spread(outcomes, measure).median);
  const ratio = againstOne(figures);
  const bound = boundSeconds(options);
  return {
    conditions: { peers, bitsPerSecond, sizeBytes, runs, boundSeconds: rounded(bound), machine },
    anax: {
      makespanSeconds: median(together, makespan),
      ratioToBound: median(together, (each) => makespan(each) / bound),
      p50: median(together, ({ finishSeconds }) => quantile(finishSeconds, 0.5)),
      p99: median(together, ({ finishSeconds }) => quantile(finishSeconds, 0.99)),
      oneAloneSeconds: median(alone, makespan),
      ratioToOneAlone: rounded(ratio.median),
      ratioToOneAloneSpread: { min: rounded(ratio.min), max: rounded(ratio.max) },
      originBytesRatio: median(together, ({ originBytesRatio }) => originBytesRatio),
      originRequests: median(together, ({ originRequests }) => originRequests),
      cpuSecondsPerGiB: median(together, (each) => cpuPerGiB(each, options)),
      peakRssMiB: median(together, ({ peakRssMiB }) => peakRssMiB),
    },
  };
}

export function inProcessPlot({ options, alone, together }: InProcessFigures): string {
  const { peers, bitsPerSecond, sizeBytes } = options;
  const scaled = alone.at(-1)?.finishSeconds ?? [];
  return plotCompletion({
    title: `${formatBytes(sizeBytes)} to ${peers} peers at ${bitsPerSecond / 1e6} Mbit/s each`,
    peers,
    boundSeconds: boundSeconds(options),
    series: [
      { name: `${peers} peers`, finishSeconds: together.at(-1)?.finishSeconds ?? [] },
      { name: 'one alone', finishSeconds: scaled },
    ],
  });
}
