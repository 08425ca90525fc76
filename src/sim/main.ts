// `npm run sim`: simulates deliveries and prints what they cost. The only part of src/sim that touches the world.

import { writeFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { MiB } from '../core/index.ts';
import { DEFAULT_SWARM_LIMITS } from '../swarm/index.ts';
import { measureJoins } from './joins.ts';
import { DEFAULT_SIM_OPTIONS, type SimOptions } from './options.ts';
import { plotCompletion } from './plot.ts';
import { type SimResult, simulate } from './simulate.ts';

const HELP = `usage: npm run sim -- [options]

  --peers n      hosts that download (200)          --pieces n   pieces of 1 MiB (512)
  --seed n       what chance is drawn from (1)      --seeds n    that many runs, with this and the next seeds (1)
  --zones n      (1)                                --zone-mbit n  rate between a zone and the others (no limit)
  --mbit n       rate of a host's link (1000)       --origin-mbit n  rate of the origin (as a link)
  --slow share   peers with a quarter of the rate   --fast share   peers with four times the rate
  --degree n     neighbours of a peer (as the scheduler's default)
  --seed-peers n seeds that read the origin (1)     --share-mib n  least part of a lease that is shared (32)
  --straggler    one peer's uplink falls to 1 %     --jobs n     seeds on so many threads (1)
  --readers n    peers that read it in order as it comes (0)   --reader-window n   pieces asked first for it (24)
  --faults       crashes, partitions, lies, …       --twice      runs each seed twice and compares the traces
  --warm-seed    the seeds have all of it at the start
  --joins n      instead: what so many joins cost the scheduler
  --json         one JSON object a run              --plot file  completion over time as SVG
`;

const NUMBERS = ['peers', 'pieces', 'seed', 'seeds', 'zones', 'zone-mbit', 'mbit', 'origin-mbit'] as const;
const MORE_NUMBERS = [
  'slow',
  'fast',
  'degree',
  'seed-peers',
  'share-mib',
  'jobs',
  'joins',
  'readers',
  'reader-window',
] as const;

type NumberName = (typeof NUMBERS)[number] | (typeof MORE_NUMBERS)[number];

function readArguments() {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const numbers = Object.fromEntries([...NUMBERS, ...MORE_NUMBERS].map((name) => [name, text]));
  const { values } = parseArgs({
    options: {
      ...numbers,
      straggler: flag,
      'warm-seed': flag,
      faults: flag,
      twice: flag,
      json: flag,
      help: flag,
      plot: text,
    },
  });
  return values as Partial<Record<NumberName | 'plot', string>> &
    Record<'straggler' | 'warm-seed' | 'faults' | 'twice' | 'json' | 'help', boolean>;
}

type Values = ReturnType<typeof readArguments>;

function numberOf(values: Values, name: NumberName, fallback: number): number {
  const number = Number(values[name] ?? fallback);
  if (Number.isFinite(number) && number >= 0) return number;
  process.stderr.write(`--${name}: not a number\n\n${HELP}`);
  process.exit(2);
}

const BYTES_PER_MBIT = 125_000;

function toOptions(values: Values): SimOptions {
  const mbit = numberOf(values, 'mbit', 1000);
  const zoneMbit = values['zone-mbit'] === undefined ? undefined : numberOf(values, 'zone-mbit', 0);
  const degree = values.degree === undefined ? undefined : numberOf(values, 'degree', 0);
  const readerWindow = numberOf(values, 'reader-window', DEFAULT_SWARM_LIMITS.readerWindow);
  const shareBytes = numberOf(values, 'share-mib', 32) * MiB;
  return {
    ...DEFAULT_SIM_OPTIONS,
    peers: Math.max(1, numberOf(values, 'peers', DEFAULT_SIM_OPTIONS.peers)),
    pieces: Math.max(1, numberOf(values, 'pieces', DEFAULT_SIM_OPTIONS.pieces)),
    seeds: numberOf(values, 'seed-peers', 1),
    zones: Math.max(1, numberOf(values, 'zones', 1)),
    slow: numberOf(values, 'slow', 0),
    fast: numberOf(values, 'fast', 0),
    straggler: values.straggler,
    faults: values.faults,
    readers: numberOf(values, 'readers', 0),
    warmSeed: values['warm-seed'],
    linkBytesPerSecond: mbit * BYTES_PER_MBIT,
    originBytesPerSecond: numberOf(values, 'origin-mbit', mbit) * BYTES_PER_MBIT,
    ...(zoneMbit !== undefined && { zoneBytesPerSecond: zoneMbit * BYTES_PER_MBIT }),
    scheduler: { ...(degree !== undefined && { degree }), minSharedBytes: 2 * shareBytes },
    swarm: { minYieldBytes: shareBytes, readerWindow },
  };
}

function run(options: SimOptions, twice: boolean): SimResult {
  const result = simulate(options);
  if (!twice || result.violation !== undefined) return result;
  const again = simulate(options);
  if (again.traceHash === result.traceHash) return result;
  return { ...result, violation: `two runs differ: ${result.traceHash} and ${again.traceHash}` };
}

/** The figures, without the long list. */
function figures({ finishSeconds, ...rest }: SimResult): Record<string, unknown> {
  const rounded = Object.entries(rest).map(([name, value]) => [
    name,
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toFixed(4)) : value,
  ]);
  return { completed: finishSeconds.length, ...Object.fromEntries(rounded) };
}

function show(result: SimResult, asJson: boolean, wallSeconds: number): void {
  const all = { ...figures(result), wallSeconds: Number(wallSeconds.toFixed(2)) };
  if (asJson) process.stdout.write(`${JSON.stringify(all)}\n`);
  else for (const [name, value] of Object.entries(all)) process.stdout.write(`${name.padEnd(26)} ${value}\n`);
}

function plot({ peers, pieces, ratio, makespanSeconds, boundSeconds, finishSeconds }: SimResult): string {
  const times = `${makespanSeconds.toFixed(2)} s, ${ratio.toFixed(3)} × the bound`;
  const title = `${peers} peers, ${pieces} pieces: all complete after ${times}`;
  return plotCompletion({ title, peers, boundSeconds, series: [{ name: 'simulated', finishSeconds }] });
}

/** How to see a failing seed again. */
function replay(seed: number): string {
  const args = process.argv
    .slice(2)
    .join(' ')
    .replaceAll(/--(?:seeds?|jobs)[ =]\d+/gu, '');
  return `npm run sim -- ${args} --seed ${seed}`.replaceAll(/ +/gu, ' ');
}

/** Hands the seeds out to threads, each a stretch of its own; their output comes through as it is. */
function runThreads(first: number, count: number, jobs: number): void {
  const args = process.argv.slice(2).filter((_, at, all) => !isSeedArgument(all, at));
  const share = Math.ceil(count / jobs);
  for (let from = first; from < first + count; from += share) {
    const seeds = Math.min(share, first + count - from);
    const argv = [...args, '--seed', String(from), '--seeds', String(seeds)];
    const worker = new Worker(new URL(import.meta.url), { argv });
    worker.on('error', (error) => {
      process.stderr.write(`${String(error)}\n`);
      process.exitCode = 1;
    });
    worker.on('exit', (code) => {
      if (code !== 0) process.exitCode = 1;
    });
  }
}

const SEED_ARGUMENT = /^--(?:seeds?|jobs)(?:=|$)/u;

/** An option that says which seeds, or its value. */
function isSeedArgument(args: readonly string[], at: number): boolean {
  const before = args[at - 1] ?? '';
  return SEED_ARGUMENT.test(args[at] ?? '') || (SEED_ARGUMENT.test(before) && !before.includes('='));
}

async function main(): Promise<void> {
  const values = readArguments();
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (values.joins !== undefined) {
    const costs = measureJoins(numberOf(values, 'joins', 0), () => performance.now());
    process.stdout.write(`${JSON.stringify(costs)}\n`);
    return;
  }
  const options = toOptions(values);
  const first = numberOf(values, 'seed', 1);
  const count = numberOf(values, 'seeds', 1);
  const jobs = numberOf(values, 'jobs', 1);
  if (jobs > 1) return runThreads(first, count, jobs);
  for (let seed = first; seed < first + count; seed += 1) {
    const startedMs = performance.now();
    const result = run({ ...options, seed }, values.twice);
    show(result, values.json, (performance.now() - startedMs) / 1000);
    if (values.plot !== undefined) writeFileSync(values.plot, plot(result));
    // What a thread prints is passed on between two turns of its event loop.
    await nextTurn();
    if (result.violation === undefined) continue;
    process.stderr.write(`seed ${seed}: ${result.violation}\nreplay: ${replay(seed)}\n`);
    process.exitCode = 1;
  }
}

await main();
