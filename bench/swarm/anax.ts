// Anax as it is run in a cluster: hub, scheduler, seed and a daemon on each peer's host, asked through its control socket
// as `dfget` does it. (With a dfget for each peer the starts of sixteen Nodes on one machine were 0.8 s of what was
// measured.)
//
// Before the clock starts, the daemons attend the scheduler and have delivered another file to each other, so that they
// know each other and their code is compiled, as after a day in a cluster. Of the file they know nothing. The clock runs
// from the word until the last daemon says that it is done: resolving, joining, reading the origin, exchange, every
// check, commit and output are in it.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MiB } from '../../src/core/index.ts';
import type { DownloadEvent } from '../../src/rpc/index.ts';
import {
  type Emulator,
  type EmulatorStats,
  inTurns,
  type ServiceProcess,
  startEmulator,
  startService,
} from '../../src/testing/cluster/index.ts';
import { downloadThrough } from './control-download.ts';
import { FaultPlan } from './fault-plan.ts';
import { CONTROL, ORIGIN, outputPath, type Race, SEED, type TestBed } from './race.ts';

const ANAX = join(import.meta.dirname, '..', '..', 'src', 'cli', 'anax.ts');
const REPO = 'anax/bench-model';
const WARM_UP_REPO = 'anax/warm-up';
const WARM_UP_BYTES = 128 * MiB;
const SCHEDULER_PORT = 7410;
const PEER_PORT = 7411;
/** Each start costs the processor a good part of a second. */
const STARTS_AT_ONCE = 4;
const ATTEND_PATIENCE_MS = 20_000;

export async function startAnax(bed: TestBed): Promise<Race> {
  const hub = await startHub(bed);
  const scheduler = await startNode(bed, 'scheduler', CONTROL, []);
  const seed = await startDaemon(bed, 'seed', SEED, hub);
  const daemons = new Map<string, ServiceProcess>();
  await inTurns(bed.peers, STARTS_AT_ONCE, async (peer) => {
    daemons.set(peer, await startDaemon(bed, 'daemon', peer, hub));
  });
  await Promise.all([seed, ...daemons.values()].map(attends));
  await Promise.all([SEED, ...bed.peers].map((host) => deliver(bed, host, WARM_UP_REPO)));
  // What the seed reads of the file counts, also where it does so before the clock starts.
  const before = await originCounts(bed, hub);
  if (bed.options.warmSeed) await deliver(bed, SEED, REPO);
  const faults = new FaultPlan(bed, {
    killSeed: () => seed.kill(),
    killScheduler: () => scheduler.kill(),
    cut: () => bed.network.cut(cutOffHosts(bed), [ORIGIN]),
    heal: () => bed.network.heal(),
  });
  const services = [...daemons.values(), seed, scheduler, hub.service];
  const resolved: number[] = [];
  let startedMs = Number.NaN;
  return {
    start: () => {
      startedMs = performance.now();
      return bed.peers.map((peer) =>
        deliver(bed, peer, REPO, (event) => {
          if (event.kind === 'resolved') resolved.push((performance.now() - startedMs) / 1000);
          if (event.kind === 'progress') faults.progress(peer, event.bytesDone);
        }),
      );
    },
    outputOf: (peer) => outputPath(bed, peer),
    pids: [seed, ...daemons.values()].flatMap(({ child }) => child.pid ?? []),
    resolvedSeconds: () => Math.max(...resolved),
    healedSeconds: () => faults.healedAtMs && (faults.healedAtMs - startedMs) / 1000,
    origin: async () => {
      const after = await originCounts(bed, hub);
      return { bytes: after.bytes - before.bytes, requests: after.requests - before.requests };
    },
    log: () => services.map(({ name, log }) => `${name}: ${log.slice(-500)}`).join('\n'),
    stop: async () => {
      await faults.end();
      await Promise.all(services.map((service) => service.stop()));
      await keepLogs(bed, services);
    },
  };
}

/**
 * The first of the peers, and what is to go with them. Who joins first becomes a deputy, and a side that has one may read
 * the origin again: the dearer case.
 */
function cutOffHosts({ peers, options: { partition } }: TestBed): string[] {
  if (!partition) return [];
  const places = { seed: SEED, scheduler: CONTROL } as const;
  return [...peers.slice(0, partition.peers), ...partition.services.map((name) => places[name])];
}

async function startHub({ network, file }: TestBed): Promise<Emulator> {
  const host = network.addressOf(ORIGIN);
  const model = { [file.name]: { file: join(file.folder, file.name), lfs: true } };
  const warmUp = { 'warm-up': { generated: { seed: 1, sizeBytes: WARM_UP_BYTES }, lfs: true } };
  const repos = [
    { id: REPO, revisions: { main: model } },
    { id: WARM_UP_REPO, revisions: { main: warmUp } },
  ];
  const options = { options: { host, cdnHost: host }, repos };
  return await startEmulator(options, { within: network.within(ORIGIN) });
}

interface OriginCounts {
  readonly bytes: number;
  readonly requests: number;
}

async function originCounts({ network }: TestBed, hub: Emulator): Promise<OriginCounts> {
  const text = await network.run(ORIGIN, ['curl', '-s', '-f', `${hub.adminUrl}/stats`]);
  const { contentBytesSent, requests } = JSON.parse(text) as EmulatorStats;
  return { bytes: contentBytesSent, requests };
}

async function startDaemon(
  bed: TestBed,
  role: 'seed' | 'daemon',
  host: string,
  hub: Emulator,
): Promise<ServiceProcess> {
  const { network, folder, options } = bed;
  const flags = {
    scheduler: `${network.addressOf(CONTROL)}:${SCHEDULER_PORT}`,
    hostname: host,
    zone: `zone${network.zoneOf(host)}`,
    'hf-endpoint': hub.url,
    'cache-dir': join(folder, host, 'cache'),
    socket: join(folder, host, 'anax.sock'),
    workers: String(options.workers),
  };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
  return await startNode(bed, role, host, args);
}

async function startNode(
  { network, folder, options }: TestBed,
  role: 'seed' | 'daemon' | 'scheduler',
  host: string,
  more: readonly string[],
): Promise<ServiceProcess> {
  await mkdir(join(folder, host), { recursive: true });
  const port = role === 'scheduler' ? SCHEDULER_PORT : PEER_PORT;
  const place = ['--host', network.addressOf(host), '--port', String(port)];
  const level = options.logs === undefined ? 'info' : 'debug';
  const state = ['--data-dir', join(folder, host, 'data'), '--log-level', level];
  const { service } = await startService({
    name: host,
    script: ANAX,
    args: [role, ...place, ...state, ...more],
    within: network.within(host),
  });
  return service;
}

async function attends(service: ServiceProcess): Promise<void> {
  const deadlineMs = performance.now() + ATTEND_PATIENCE_MS;
  while (!service.log.includes('attending the scheduler')) {
    if (performance.now() > deadlineMs) throw new Error(`${service.name} does not attend:\n${service.log}`);
    await sleep(20);
  }
}

async function deliver(
  bed: TestBed,
  host: string,
  repo: string,
  onEvent?: (event: DownloadEvent) => void,
): Promise<void> {
  await downloadThrough({
    socket: join(bed.folder, host, 'anax.sock'),
    url: `hf://${repo}`,
    outputPath: dirname(outputPath(bed, host)),
    ...(onEvent && { onEvent }),
  });
}

async function keepLogs({ options, folder }: TestBed, services: readonly ServiceProcess[]): Promise<void> {
  if (options.logs === undefined) return;
  const target = join(options.logs, folder.split('/').at(-1) ?? '');
  await mkdir(target, { recursive: true });
  for (const { name, log } of services) await writeFile(join(target, `${name}.log`), log);
}
