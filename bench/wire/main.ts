// `npm run bench:wire`: what a byte costs between two daemons on this machine, beside what it costs others.

import { formatBytes } from '../../src/core/index.ts';
import { installTools, type MissingTools } from '../kit/packages.ts';
import { createWorkspace, describeMachine, keepWarm, type Workspace, warmMemory } from '../kit/workspace.ts';
import { AnaxPair, MODEL_FILE, type Variant } from './anax-pair.ts';
import { readWireOptions, type WireOptions } from './options.ts';
import { CONTESTANTS, type Contestant, type WireFigures, wireObject, wireTable } from './report.ts';
import {
  aria2,
  bareReceiver,
  curl,
  type FetchCommand,
  measureFetch,
  measureIperf3,
  Nginx,
} from './rivals.ts';
import type { Transfer } from './transfer.ts';

/** At once there are the parent's copy, the child's or a rival's, and what buffers and pipes take. */
const COPIES = 3;

const options = readWireOptions();
const workspace = await createWorkspace(options.dir);
try {
  const figures = await runBench(options, workspace);
  process.stdout.write(`${wireTable(figures)}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(wireObject(figures))}\n`);
} finally {
  await workspace.remove();
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

async function runBench(asked: WireOptions, { folder, filesystem }: Workspace): Promise<WireFigures> {
  const missing = await installTools(['nginx', 'curl', 'aria2c', 'iperf3'], say);
  say(describeMachine());
  say(`${formatBytes(asked.sizeBytes)}, ${asked.runs} runs of each in turns, in ${folder} (${filesystem})`);
  say(`warmed ${await warmMemory(workspace, asked.sizeBytes * COPIES)} of memory; feeding the parent …`);
  const pair = await AnaxPair.start({ folder, ...asked });
  try {
    const nginx =
      missing.nginx === undefined ? await Nginx.start(folder, pair.modelFolder, MODEL_FILE) : undefined;
    try {
      return await runAll({ ...asked, folder, pair, nginx, missing });
    } finally {
      nginx?.stop();
    }
  } finally {
    await pair.stop();
  }
}

interface Contest extends WireOptions {
  readonly folder: string;
  readonly pair: AnaxPair;
  readonly nginx: Nginx | undefined;
  readonly missing: MissingTools;
}

async function runAll(contest: Contest): Promise<WireFigures> {
  const transfers = new Map<Contestant, Transfer[]>();
  const iperf3: number[] = [];
  const measures = measuresOf(contest);
  for (let run = 1; run <= contest.runs; run += 1) {
    for (const who of CONTESTANTS) {
      const transfer = await measures[who]?.();
      if (!transfer) continue;
      say(`run ${run}: ${who} ${transfer.gibPerSecond.toFixed(2)} GiB/s`);
      transfers.set(who, [...(transfers.get(who) ?? []), transfer]);
    }
    if (contest.missing.iperf3 === undefined) iperf3.push(await measureIperf3(contest.sizeBytes));
  }
  return { transfers, iperf3, leftOut: Object.values(contest.missing) };
}

function measuresOf(contest: Contest): Partial<Record<Contestant, () => Promise<Transfer>>> {
  const { pair, nginx, missing } = contest;
  return {
    plain: () => deliver(pair, contest, { tls: false, workers: 1 }),
    plainTwoWorkers: () => deliver(pair, contest, { tls: false, workers: 2 }),
    tls: () => deliver(pair, contest, { tls: true, workers: 1 }),
    tlsTwoWorkers: () => deliver(pair, contest, { tls: true, workers: 2 }),
    ...(nginx && !missing.curl && { nginxCurl: () => fetchFrom(nginx, curl, contest) }),
    ...(nginx && { nginxBare: () => fetchFrom(nginx, bareReceiver, contest) }),
    ...(nginx && !missing.aria2c && { aria2: () => fetchFrom(nginx, aria2, contest) }),
  };
}

async function deliver(pair: AnaxPair, { sizeBytes }: Contest, variant: Variant): Promise<Transfer> {
  await pair.become(variant);
  await keepWarm(sizeBytes);
  const transfer = await pair.measure();
  await pair.clear();
  return transfer;
}

async function fetchFrom(
  nginx: Nginx,
  command: FetchCommand,
  { folder, sizeBytes }: Contest,
): Promise<Transfer> {
  await keepWarm(sizeBytes);
  return await measureFetch({ nginx, command, folder, file: MODEL_FILE, sizeBytes });
}
