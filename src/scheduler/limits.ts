// Every bound and time of the scheduler machine, with its default.

import { MiB } from '../core/index.ts';

export interface SchedulerLimits {
  /** Live peers. Over it an announce is ignored. Default 100,000. */
  readonly peers: number;
  /** Swarms remembered. Over it a join of a new one is ignored. Default 100,000. */
  readonly swarms: number;
  /** Swarms that one peer may be in. Over it a join is ignored. Default 10,000. */
  readonly swarmsPerPeer: number;
  /** Refs whose first asker is remembered (least recently asked goes first). Default 10,000. */
  readonly refs: number;

  /** Blobs that are known to be held, by key. Over it further ones are not noted. Default 200,000. */
  readonly blobs: number;
  /** Of them, those of one peer. Default 8,192: each blob has a key or two. */
  readonly blobsPerPeer: number;
  /** Holders of one blob that are remembered. Default 16: one that goes makes room. */
  readonly holdersPerBlob: number;
  /** Holders of one blob that are named to who asks. Default 4. */
  readonly holdersNamed: number;
  /** Keys in one question. Default 8,192. */
  readonly blobsPerQuestion: number;

  /** Neighbours that a joining peer is told. Default 12 (bench.md: 1.11 × bound at N = 200). */
  readonly degree: number;
  /** Neighbours that a seed is told, and up to which it is chosen like any other peer. Default 60 (seed copies 1.13 → 1.05). */
  readonly seedDegree: number;
  /** Links up to which a seed is still the one seed that a joiner is promised. Default 200: beyond it the mesh carries. */
  readonly seedDegreeMax: number;
  /** Of `degree` neighbours, how many are in other zones where the own zone has enough. Default 4: 1.02 × the bound quicker than 2. */
  readonly interZoneLinks: number;

  /** Silence after which a peer is gone. Default 15 s: three keepalives. */
  readonly peerTtlMs: number;
  /** How long a settle round waits for answers, and the least time between two unforced rounds. Default 2 s. */
  readonly settleMs: number;
  /**
   * After the first event: how long nothing is granted for swarms that look fresh. Default 0; a scheduler that may have
   * had a predecessor needs some (the server shell takes 2 s), because a fresh joiner may be ahead of the old members.
   */
  readonly startSettleMs: number;
  /**
   * The same once anything shows that there was a predecessor (a returning peer, a lease, held pieces). Default 6 s:
   * the links reconnect within 5 s (full jitter), and nothing that a late one holds may be read again.
   */
  readonly restartSettleMs: number;
  /** Incomplete members and no lease for so long: ask what is missing. Default 30 s. */
  readonly stallMs: number;
  /** After a swarm failed: how long until a join may start it afresh. Default 10 s. */
  readonly retryMs: number;
  /** How long a swarm without members is remembered. Default 10 min. */
  readonly swarmTtlMs: number;
  /** Seeds that read one snapshot at once; others are not invited. Default 4. */
  readonly seedReaders: number;
  /** Peers that read one snapshot at once where it has no seed. Default 2: they may share one way out to the origin. */
  readonly electedReaders: number;
  /** A lease with less than this left to read is not shared. Default 64 MiB: requests are scarce at hubs. */
  readonly minSharedBytes: number;
  /** Members of a swarm that could read without the scheduler. Default 3: each could also say what the content is. */
  readonly deputies: number;
  /** The least time between two invitations of seeds to one swarm. Default 30 s. */
  readonly inviteMs: number;
  /** How long an invited seed's part is kept for it. Default 3 s: it asks for the manifest and joins. */
  readonly inviteWaitMs: number;
  /** Connections to one origin of all its readers together. Default: no limit. */
  readonly originConnections: number;
  /** Bytes per second from one origin to all its readers together. Default: no limit. */
  readonly originBytesPerSecond: number;
  /** Requests a minute to one origin of all its readers together. Default: no limit. */
  readonly originRequestsPerMinute: number;
  /** A holder that gets no further for so long loses its lease. Default 3 min: a long piece of a slow origin. */
  readonly leaseStallMs: number;
  /** How long a peer stays condemned that others named for wrong bytes. Default 10 min. */
  readonly condemnedMs: number;
  /** Members that may fail to read the origin, one after another, before the swarm fails. Default 3. */
  readonly maxLeaseAttempts: number;
}

export const defaultSchedulerLimits: SchedulerLimits = {
  peers: 100_000,
  swarms: 100_000,
  swarmsPerPeer: 10_000,
  refs: 10_000,
  blobs: 200_000,
  blobsPerPeer: 8_192,
  holdersPerBlob: 16,
  holdersNamed: 4,
  blobsPerQuestion: 8_192,
  degree: 12,
  seedDegree: 60,
  seedDegreeMax: 200,
  interZoneLinks: 4,
  peerTtlMs: 15_000,
  settleMs: 2_000,
  startSettleMs: 0,
  restartSettleMs: 6_000,
  stallMs: 30_000,
  retryMs: 10_000,
  swarmTtlMs: 600_000,
  seedReaders: 4,
  electedReaders: 2,
  minSharedBytes: 64 * MiB,
  deputies: 3,
  inviteMs: 30_000,
  inviteWaitMs: 3_000,
  originConnections: Number.POSITIVE_INFINITY,
  originBytesPerSecond: Number.POSITIVE_INFINITY,
  originRequestsPerMinute: Number.POSITIVE_INFINITY,
  leaseStallMs: 180_000,
  condemnedMs: 600_000,
  maxLeaseAttempts: 3,
};
