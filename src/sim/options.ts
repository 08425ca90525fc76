// What a simulation is told, and the defaults.

import { MiB } from '../core/index.ts';
import type { SchedulerLimits } from '../scheduler/index.ts';
import type { SwarmLimits, UploadLimits } from '../swarm/index.ts';

export interface SimOptions {
  /** Hosts that download; the seeds come on top. Default 200. */
  readonly peers: number;
  /** Default 1. */
  readonly seeds: number;
  /** Pieces of 1 MiB. Default 512. */
  readonly pieces: number;
  readonly seed: number;
  /** Default 1. */
  readonly zones: number;
  /** Share of the peers whose link has a quarter of the rate. Default 0. */
  readonly slow: number;
  /** Share of the peers whose link has four times the rate. Default 0. */
  readonly fast: number;
  /** Whether one peer's uplink falls to a hundredth when half of the bound's time is over. Default false. */
  readonly straggler: boolean;
  readonly faults: boolean;
  /** Peers with somebody who reads all in order while it comes; the first ones. Default 0. */
  readonly readers: number;
  /** Whether the seeds hold everything from the start. Default false: the first of them reads it meanwhile. */
  readonly warmSeed: boolean;
  /** Bytes per second of a host's link, each way. Default 125 MB/s (1 Gbit/s). */
  readonly linkBytesPerSecond: number;
  /** Bytes per second that the origin gives; default as a host's link. */
  readonly originBytesPerSecond: number;
  /** Bytes per second between a zone and the others, each way; default unlimited. */
  readonly zoneBytesPerSecond: number;
  readonly diskBytesPerSecond: number;
  readonly latencyMs: number;
  readonly zoneLatencyMs: number;
  /** From a request to the origin to its first byte. Default 20 ms. */
  readonly originLatencyMs: number;
  /** The peers come at random within this time after the seed. Default 20 ms. */
  readonly arrivalMs: number;
  readonly swarm: Partial<SwarmLimits>;
  readonly uploads: Partial<UploadLimits>;
  readonly scheduler: Partial<SchedulerLimits>;
}

export const DEFAULT_SIM_OPTIONS: SimOptions = {
  peers: 200,
  seeds: 1,
  pieces: 512,
  seed: 1,
  zones: 1,
  slow: 0,
  fast: 0,
  straggler: false,
  faults: false,
  readers: 0,
  warmSeed: false,
  linkBytesPerSecond: 125_000_000,
  originBytesPerSecond: 125_000_000,
  zoneBytesPerSecond: Number.POSITIVE_INFINITY,
  diskBytesPerSecond: 1_000_000_000,
  latencyMs: 0.2,
  zoneLatencyMs: 2,
  originLatencyMs: 20,
  arrivalMs: 20,
  swarm: {},
  uploads: {},
  scheduler: {},
};

/** Links of slow and of fast hosts go at so many times the rate. */
export const SLOW_FACTOR = 0.25;
export const FAST_FACTOR = 4;

export const PIECE_BYTES = MiB;

/** What the peers of full rate need at least: F/B · (1 + ⌊log2 N⌋/M), and no more than all uplinks together give. */
export function healthyBoundSeconds(options: SimOptions): number {
  const { peers, pieces, linkBytesPerSecond, originBytesPerSecond, slow } = options;
  const totalBytes = pieces * PIECE_BYTES;
  const alone = totalBytes / linkBytesPerSecond;
  const spread = alone * (1 + Math.floor(Math.log2(peers)) / pieces);
  const healthy = peers * (1 - slow);
  // Fluid bound of Kumar and Ross (2006), for the healthy: the seed's uplink, theirs, and those of the slow.
  const fluid = (alone * healthy) / (1 + healthy + peers * slow * SLOW_FACTOR);
  return Math.max(spread, fluid, totalBytes / originBytesPerSecond);
}

/** The same for all peers: not less than the slowest link needs for the bytes. */
export function boundSeconds(options: SimOptions): number {
  const { pieces, linkBytesPerSecond, slow } = options;
  const slowest = slow > 0 ? (pieces * PIECE_BYTES) / linkBytesPerSecond / SLOW_FACTOR : 0;
  return Math.max(healthyBoundSeconds(options), slowest);
}
