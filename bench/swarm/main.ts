// `npm run bench:swarm`: how close a delivery to many peers comes to the bound, beside what others take. Real processes
// on links of a known rate.

import { randomFillSync } from 'node:crypto';
import { open, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBytes, MiB } from '../../src/core/index.ts';
import { installTools, type MissingTools, type Tool } from '../kit/packages.ts';
import { createWorkspace, describeMachine, type Workspace } from '../kit/workspace.ts';
import { startAnax } from './anax.ts';
import { startAria2 } from './aria2.ts';
import { boundSeconds } from './bound.ts';
import { deliverInProcess, type ManyPeersOutcome } from './in-process.ts';
import { inProcessObject, inProcessPlot, inProcessTable } from './in-process-report.ts';
import { leftNames, RUN_PREFIX } from './leftovers.ts';
import { startLibtorrent } from './libtorrent.ts';
import { Network, removeLeftNetworks } from './network.ts';
import { type ContenderName, readSwarmOptions, type SwarmOptions } from './options.ts';
import {
  CONTROL,
  type Contender,
  ORIGIN,
  type Outcome,
  runRace,
  SEED,
  type SharedFile,
  sha256Of,
  type TestBed,
} from './race.ts';
import { makespan, type SwarmFigures, swarmObject, swarmPlot, swarmTable } from './report.ts';
import { startStar } from './star.ts';

const STARTERS: Readonly<Record<ContenderName, { start: Contender; tools: readonly Tool[] }>> = {
  anax: { start: startAnax, tools: ['curl'] },
  star: { start: startStar, tools: ['nginx', 'curl'] },
  aria2: { start: startAria2, tools: ['aria2c', 'mktorrent', 'opentracker', 'curl'] },
  libtorrent: { start: startLibtorrent, tools: ['libtorrent', 'mktorrent', 'opentracker', 'curl'] },
};

/** What the machine does not let us do: said without a stack. */
class CannotRun extends Error {}

const options = readSwarmOptions();
const cleanUps: (() => Promise<void>)[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void leave(130));
process.once('uncaughtException', (error) => {
  process.stderr.write(`${error.stack}\n`);
  void leave(70);
});

let isLeaving = false;

async function leave(exitCode: number): Promise<void> {
  // What fails because all is being taken away does not end that.
  if (isLeaving) return;
  isLeaving = true;
  await cleanUp();
  process.exit(exitCode);
}

async function cleanUp(): Promise<void> {
  for (const undo of cleanUps.splice(0).reverse()) await undo();
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

try {
  if (options.inProcess) await runInProcess(options);
  else await runNetwork(options);
} catch (error) {
  const text =
    error instanceof CannotRun ? error.message : error instanceof Error ? error.stack : String(error);
  // What runs fails when all is taken away from under it.
  if (!isLeaving) process.stderr.write(`bench: ${text}\n`);
  process.exitCode = 1;
} finally {
  await cleanUp();
}

async function runNetwork(asked: SwarmOptions): Promise<void> {
  const figures = await raceOnNetwork(asked);
  process.stdout.write(`${swarmTable(figures)}\n`);
  if (asked.plot !== undefined) await writeFile(asked.plot, swarmPlot(figures));
  if (asked.json) process.stdout.write(`${JSON.stringify(swarmObject(figures))}\n`);
}

async function runInProcess(asked: SwarmOptions): Promise<void> {
  const { folder, file } = await prepareFolder(asked);
  say(describeMachine());
  const alone: ManyPeersOutcome[] = [];
  const together: ManyPeersOutcome[] = [];
  for (let run = 1; run <= asked.runs; run += 1) {
    for (const [peers, outcomes] of [
      [1, alone],
      [asked.peers, together],
    ] as const) {
      const outcome = await deliverInProcess(peers, asked, file, join(folder, `run-${run}-${peers}`));
      outcomes.push(outcome);
      say(`run ${run}: ${peers} peers ${Math.max(...outcome.finishSeconds).toFixed(2)} s`);
    }
  }
  const figures = { options: asked, machine: describeMachine(), alone, together };
  process.stdout.write(`${inProcessTable(figures)}\n`);
  if (asked.plot !== undefined) await writeFile(asked.plot, inProcessPlot(figures));
  if (asked.json) process.stdout.write(`${JSON.stringify(inProcessObject(figures))}\n`);
}

async function prepareFolder(asked: SwarmOptions): Promise<Workspace & { readonly file: SharedFile }> {
  await removeLeftFolders(asked.dir);
  const workspace = await createWorkspace(asked.dir, `${RUN_PREFIX}-`);
  cleanUps.push(() => workspace.remove());
  return { ...workspace, file: await makeFile(workspace.folder, asked.sizeBytes) };
}

async function raceOnNetwork(asked: SwarmOptions): Promise<SwarmFigures> {
  if (process.getuid?.() !== 0)
    throw new CannotRun('network namespaces need root; run it as root, or see --in-process');
  const needed: readonly Tool[] = asked.partition ? ['ip', 'nft'] : ['ip'];
  const tools = asked.only.flatMap((name) => STARTERS[name].tools);
  const missing = await installTools([...new Set<Tool>([...needed, ...tools])], say);
  for (const tool of needed) if (missing[tool] !== undefined) throw new CannotRun(missing[tool]);
  for (const left of await removeLeftNetworks()) say(`removed ${left}, which a run left behind`);
  const workspace = await prepareFolder(asked);
  const { file } = workspace;
  const peers = Array.from({ length: asked.peers }, (_, at) => `peer-${at + 1}`);
  const network = await makeNetwork(asked, peers);
  cleanUps.push(() => network.remove());
  describe(asked, workspace);
  return await runAll({ network, peers, file, options: asked, folder: workspace.folder, say }, missing);
}

async function removeLeftFolders(folder: string): Promise<void> {
  for (const name of await leftNames(await readdir(folder))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Bytes that nothing can compress or know. */
async function makeFile(folder: string, sizeBytes: number): Promise<SharedFile> {
  const name = 'model.safetensors';
  const block = Buffer.alloc(MiB);
  const file = await open(join(folder, name), 'wx');
  for (let at = 0; at < sizeBytes; at += block.length) await file.write(randomFillSync(block));
  await file.close();
  return { folder, name, sizeBytes, sha256: await sha256Of(join(folder, name), sizeBytes) };
}

async function makeNetwork(
  { zones, bitsPerSecond }: SwarmOptions,
  peers: readonly string[],
): Promise<Network> {
  const services = [ORIGIN, CONTROL, SEED].map((name) => ({ name, zone: 1 }));
  const hosts = [...services, ...peers.map((name, at) => ({ name, zone: (at % zones) + 1 }))];
  return await Network.create({ prefix: RUN_PREFIX, hosts, zones, bitsPerSecond });
}

function describe(asked: SwarmOptions, { folder, filesystem }: Workspace): void {
  const { peers, bitsPerSecond, sizeBytes, zones, runs } = asked;
  const links = `${peers} peers and a seed on links of ${bitsPerSecond / 1e6} Mbit/s in ${zones} zone(s)`;
  say(describeMachine());
  say(`${formatBytes(sizeBytes)}, ${links}, ${runs} runs of each in turns, in ${folder} (${filesystem})`);
  say(`the bound is ${boundSeconds(asked).toFixed(2)} s`);
}

async function runAll(bed: TestBed, missing: MissingTools): Promise<SwarmFigures> {
  const outcomes = new Map<ContenderName, Outcome[]>();
  const leftOut = new Set<string>();
  for (let run = 1; run <= bed.options.runs; run += 1) {
    for (const name of bed.options.only) {
      const reason = STARTERS[name].tools.map((tool) => missing[tool]).find((text) => text !== undefined);
      if (reason !== undefined) {
        leftOut.add(`${name}: ${reason}`);
        continue;
      }
      const folder = join(bed.folder, `run-${run}-${name}`);
      const outcome = await runRace(name, STARTERS[name].start, { ...bed, folder });
      const ratio = makespan(outcome) / boundSeconds(bed.options);
      say(`run ${run}: ${name} ${makespan(outcome).toFixed(2)} s, ${ratio.toFixed(3)} × the bound`);
      outcomes.set(name, [...(outcomes.get(name) ?? []), outcome]);
    }
  }
  return { options: bed.options, machine: describeMachine(), outcomes, leftOut: [...leftOut] };
}
