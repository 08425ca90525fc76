// One delivery by one contender: everything is made ready, all peers are set off at once, and the clock runs until the
// last of them says that it has the whole file. What they have is checked after the clock has stopped.

import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createContentHasher, GiB } from '../../src/core/index.ts';
import { cpuSeconds, peakRssMiB } from '../kit/process-cost.ts';
import { WarmReserve } from '../kit/warm-reserve.ts';
import { boundSeconds } from './bound.ts';
import { RUN_PREFIX } from './leftovers.ts';
import type { Network, TrafficCounts } from './network.ts';
import type { ContenderName, SwarmOptions } from './options.ts';

/** The file that is delivered. */
export interface SharedFile {
  readonly folder: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Hosts beside the peers. */
export const SEED = 'seed';
export const ORIGIN = 'origin';
/** Where the scheduler is, and the rivals' tracker. */
export const CONTROL = 'control';

export interface TestBed {
  readonly network: Network;
  readonly peers: readonly string[];
  readonly file: SharedFile;
  readonly options: SwarmOptions;
  /** For this delivery alone. */
  readonly folder: string;
  readonly say: (text: string) => void;
}

/** A contender that is ready. */
export interface Race {
  /** Sets all peers off; each promise, in the order of the peers, resolves with that peer's whole file. */
  start(): Promise<void>[];
  /** The file of a peer. */
  outputOf(peer: string): string;
  /** Processes of seed and peers that live as long as the race; empty where the cost is not counted. */
  readonly pids: readonly number[];
  /** Seconds from the start until the last peer knew what to ask for. */
  resolvedSeconds?(): number;
  /** Seconds from the start until a network that was cut was whole again; undefined where it is not. */
  healedSeconds?(): number | undefined;
  /** What the origin gave. */
  origin?(): Promise<{ readonly bytes: number; readonly requests: number }>;
  /** What went wrong, for the message when it takes too long. */
  log?(): string;
  stop(): Promise<void>;
}

export type Contender = (bed: TestBed) => Promise<Race>;

/** What one delivery came to. */
export interface Outcome {
  /** When each peer was complete, ascending. */
  readonly finishSeconds: readonly number[];
  /** Bytes on the wire, against the size of the file. */
  readonly seedBytesRatio: number;
  /** The same of what a peer's link carried to it, on average. */
  readonly peerBytesRatio: number;
  /** Bytes between zones against one copy for each zone but the seed's; 0 with one zone. */
  readonly crossZoneRatio: number;
  readonly cpuSecondsPerGiB: number | undefined;
  /** Of the process that had most. */
  readonly peakRssMiB: number | undefined;
  readonly resolvedSeconds: number | undefined;
  readonly originBytesRatio: number | undefined;
  readonly originRequests: number | undefined;
  /** From the end of a partition to the last peer's completion; absent where all were complete before. */
  readonly afterHealSeconds: number | undefined;
}

/** Lets what was started calm down. */
const CALM_MS = 1_000;
/** A star from one link takes N times as long as the file; nobody may take much longer. */
const PATIENCE_FACTOR = 1.5;
const PATIENCE_MORE_SECONDS = 60;

export async function runRace(name: ContenderName, contender: Contender, bed: TestBed): Promise<Outcome> {
  const { options, folder } = bed;
  await mkdir(folder, { recursive: true });
  const race = await contender(bed);
  const reserve = new WarmReserve(`${RUN_PREFIX}-`);
  try {
    await sleep(CALM_MS);
    await reserve.fill(options.sizeBytes * (options.peers + 2));
    const outcome = await measure(name, race, bed);
    await checkOutputs(name, race, bed);
    return outcome;
  } finally {
    await reserve.release();
    await race.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(name: ContenderName, race: Race, bed: TestBed): Promise<Outcome> {
  const { network, options } = bed;
  const before = await network.traffic();
  const cpuBefore = await sumCpu(race.pids);
  const finishSeconds = await timeAll(name, race, options);
  const cpu = (await sumCpu(race.pids)) - cpuBefore;
  const origin = await race.origin?.();
  const healedSeconds = race.healedSeconds?.();
  const delivered = options.peers * options.sizeBytes;
  return {
    finishSeconds,
    ...wireRatios(before, await network.traffic(), bed),
    cpuSecondsPerGiB: race.pids.length > 0 ? cpu / (delivered / GiB) : undefined,
    peakRssMiB: race.pids.length > 0 ? await greatestRss(race.pids) : undefined,
    resolvedSeconds: race.resolvedSeconds?.(),
    originBytesRatio: origin && origin.bytes / options.sizeBytes,
    originRequests: origin?.requests,
    afterHealSeconds: healedSeconds && Math.max(...finishSeconds) - healedSeconds,
  };
}

async function timeAll(name: ContenderName, race: Race, options: SwarmOptions): Promise<number[]> {
  const cutSeconds = (options.partition?.forMs ?? 0) / 1000;
  const seconds =
    PATIENCE_FACTOR * options.peers * boundSeconds(options) + cutSeconds + PATIENCE_MORE_SECONDS;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error(`${name} did not deliver within ${Math.round(seconds)} s\n${race.log?.() ?? ''}`));
  }, seconds * 1000);
  try {
    const startedMs = performance.now();
    const finished = race.start().map(async (done) => {
      await done;
      return (performance.now() - startedMs) / 1000;
    });
    const all = await Promise.race([Promise.all(finished), late.promise]);
    return all.toSorted((left, right) => left - right);
  } finally {
    clearTimeout(timer);
  }
}

function wireRatios(
  before: TrafficCounts,
  after: TrafficCounts,
  { peers, options: { zones, sizeBytes } }: TestBed,
): Pick<Outcome, 'seedBytesRatio' | 'peerBytesRatio' | 'crossZoneRatio'> {
  const crossed = after.crossZone - before.crossZone;
  const received = peers.reduce((sum, peer) => sum + after.receivedBy(peer) - before.receivedBy(peer), 0);
  return {
    seedBytesRatio: (after.sentBy(SEED) - before.sentBy(SEED)) / sizeBytes,
    peerBytesRatio: received / (sizeBytes * peers.length),
    crossZoneRatio: zones > 1 ? crossed / (sizeBytes * (zones - 1)) : 0,
  };
}

/** A process that was killed meanwhile counts as nothing. */
async function sumCpu(pids: readonly number[]): Promise<number> {
  const all = await Promise.all(pids.map((pid) => cpuSeconds(pid).catch(() => 0)));
  return all.reduce((sum, seconds) => sum + seconds, 0);
}

async function greatestRss(pids: readonly number[]): Promise<number> {
  return Math.max(...(await Promise.all(pids.map((pid) => peakRssMiB(pid).catch(() => 0)))));
}

async function checkOutputs(
  name: ContenderName,
  race: Race,
  { peers, file }: Pick<TestBed, 'peers' | 'file'>,
): Promise<void> {
  for (const peer of peers) {
    if ((await sha256Of(race.outputOf(peer), file.sizeBytes)) === file.sha256) continue;
    throw new Error(`${name}: ${peer} has other bytes than the seed`);
  }
}

export async function sha256Of(path: string, sizeBytes: number): Promise<string> {
  const hasher = createContentHasher('sha256', sizeBytes);
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hasher.update(chunk as Buffer);
  }
  return hasher.digest();
}

export function outputPath({ folder, file }: TestBed, host: string): string {
  return join(folder, host, 'out', file.name);
}
