// One simulation from its options to its figures.

import { SimViolation } from './checks.ts';
import { planFaults } from './faults.ts';
import type { SimHost } from './host.ts';
import {
  boundSeconds,
  DEFAULT_SIM_OPTIONS,
  healthyBoundSeconds,
  PIECE_BYTES,
  type SimOptions,
} from './options.ts';
import { START_MS, World } from './world.ts';

/** Without faults a swarm that takes so many times the bound hangs; after faults it gets so much time from their end. */
const HANG_FACTOR = 20;
const HANG_FLOOR_MS = 300_000;

export interface SimResult {
  readonly seed: number;
  readonly peers: number;
  readonly pieces: number;
  readonly makespanSeconds: number;
  readonly boundSeconds: number;
  /** Makespan against the bound. */
  readonly ratio: number;
  /** The same for the peers whose links are not slow, against what they need at least. */
  readonly healthyRatio: number;
  /** Seconds until the half, and 99 % of the peers were complete. */
  readonly p50: number;
  readonly p99: number;
  /** Bytes read from the origin against the size of the content. */
  readonly originBytesRatio: number;
  readonly originRequests: number;
  /** Bytes that the seeds sent against the size of the content. */
  readonly seedCopies: number;
  /** What a peer of several times the rate sent on average, against what one of the usual rate did; 0 without such. */
  readonly fastGives: number;
  /** When the last of them was complete, in seconds; 0 without such. */
  readonly fastSeconds: number;
  /** Bytes between zones against the least possible, one copy to each zone but the seed's; 0 with one zone. */
  readonly crossZoneRatio: number;
  readonly schedulerMessagesPerPeer: number;
  /** Messages between hosts for each piece that a peer was to get: what was asked, taken back and told. */
  readonly requestsPerPiece: number;
  readonly cancelsPerPiece: number;
  readonly havesPerPiece: number;
  /** Bytes sent to somebody who had them by then, against all that were needed. */
  readonly wastedRatio: number;
  /** With readers, means of theirs: until the first piece was read, and all; in between, without anything to read. */
  readonly readerFirstSeconds?: number;
  readonly readerStallSeconds?: number;
  readonly readerEndSeconds?: number;
  readonly faults: number;
  readonly events: number;
  readonly traceHash: string;
  /** What went wrong; absent where nothing did. */
  readonly violation?: string;
  /** When each peer was complete, ascending. */
  readonly finishSeconds: readonly number[];
}

export function simulate(partial: Partial<SimOptions>): SimResult {
  const options: SimOptions = { ...DEFAULT_SIM_OPTIONS, ...partial };
  const world = new World(options);
  world.start();
  const boundMs = boundSeconds(options) * 1000;
  if (options.straggler) world.slowOneDown(START_MS + boundMs / 2);
  const faultsEndMs = options.faults ? planFaults(world, boundMs) : START_MS;
  const violation = runChecked(world, faultsEndMs + Math.max(HANG_FLOOR_MS, HANG_FACTOR * boundMs));
  return { ...measure(world), ...(violation !== undefined && { violation }) };
}

function runChecked(world: World, untilMs: number): string | undefined {
  try {
    if (world.run(untilMs)) return undefined;
    const stuck = [...world.unfinished]
      .slice(0, 5)
      .map(({ index, disk }) => `host ${index} has ${disk.count}`);
    return `${world.unfinished.size} hosts do not complete: ${stuck.join(', ')}`;
  } catch (error) {
    if (!(error instanceof SimViolation)) throw error;
    return `at ${((world.agenda.nowMs - START_MS) / 1000).toFixed(3)} s: ${error.message}`;
  }
}

function measure(world: World): SimResult {
  const { options, hosts, peers, seeds, checks, origin, agenda, trace } = world;
  const totalBytes = options.pieces * PIECE_BYTES;
  const finishSeconds = finishesOf(peers);
  const makespanSeconds = finishSeconds.at(-1) ?? Number.NaN;
  const wanted = options.pieces * options.peers;
  const crossBytes = hosts.reduce((sum, host) => sum + host.crossZoneBytes, 0);
  return {
    seed: options.seed,
    peers: options.peers,
    pieces: options.pieces,
    makespanSeconds,
    boundSeconds: boundSeconds(options),
    ratio: makespanSeconds / boundSeconds(options),
    healthyRatio: lastOf(peers.filter(({ isSlow }) => !isSlow)) / healthyBoundSeconds(options),
    p50: quantile(finishSeconds, 0.5),
    p99: quantile(finishSeconds, 0.99),
    originBytesRatio: origin.bytes / totalBytes,
    originRequests: origin.requests,
    seedCopies: seeds.reduce((sum, { sentBytes }) => sum + sentBytes, 0) / totalBytes,
    ...measureFast(peers),
    crossZoneRatio: options.zones > 1 ? crossBytes / (totalBytes * (options.zones - 1)) : 0,
    schedulerMessagesPerPeer: checks.schedulerMessages / options.peers,
    requestsPerPiece: checks.messages.request / wanted,
    cancelsPerPiece: checks.messages.cancel / wanted,
    havesPerPiece: checks.messages.have / wanted,
    wastedRatio: checks.wastedBytes / (wanted * PIECE_BYTES),
    ...(options.readers > 0 && readerFigures(peers)),
    faults: checks.faults,
    events: agenda.ran,
    traceHash: trace.hash,
    finishSeconds,
  };
}

function measureFast(peers: readonly SimHost[]): Pick<SimResult, 'fastGives' | 'fastSeconds'> {
  const fast = peers.filter(({ isFast }) => isFast);
  if (fast.length === 0) return { fastGives: 0, fastSeconds: 0 };
  const usual = peers.filter(({ isFast, isSlow }) => !isFast && !isSlow);
  return { fastGives: meanSent(fast) / meanSent(usual), fastSeconds: lastOf(fast) };
}

function meanSent(hosts: readonly SimHost[]): number {
  return hosts.reduce((sum, { sentBytes }) => sum + sentBytes, 0) / hosts.length;
}

/** When they were complete, ascending; those that never were are left out. */
function finishesOf(peers: readonly SimHost[]): number[] {
  return peers
    .flatMap(({ finishedMs }) => (finishedMs === undefined ? [] : [(finishedMs - START_MS) / 1000]))
    .toSorted((left, right) => left - right);
}

function readerFigures(peers: readonly SimHost[]) {
  const readers = peers.flatMap(({ reader }) => reader ?? []);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length / 1000;
  return {
    readerFirstSeconds: mean(readers.map(({ firstMs }) => firstMs - START_MS)),
    readerStallSeconds: mean(readers.map(({ stallMs }) => stallMs)),
    readerEndSeconds: mean(readers.map(({ endMs }) => endMs - START_MS)),
  };
}

function lastOf(peers: readonly SimHost[]): number {
  return finishesOf(peers).at(-1) ?? Number.NaN;
}

function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.max(0, Math.ceil(ascending.length * share) - 1)] ?? Number.NaN;
}
