// The named limits of one host's share of a swarm.

import { MiB } from '../core/index.ts';

export interface SwarmLimits {
  /** Bytes of pieces asked of neighbours and not yet stored. Default 256 MiB; few of them are on their way. */
  readonly maxClaimedBytes: number;
  /**
   * Neighbours that send to this host at once. As many as a parent serves at once: then a free place here and one
   * there are made by the same piece, and no uplink waits for a full downlink. Default 3; fewer
   * where the own link is slower than those of most.
   */
  readonly lanes: number;
  /**
   * Pieces asked at once of a neighbour that sends: the one that comes and what may follow. Default 4: it sends the
   * rarest of them next. Where pieces are small more are asked, up to `linkWindowBytes`.
   */
  readonly wishesPerSender: number;
  /** Bytes asked of one neighbour that sends. Default 3 MiB. */
  readonly linkWindowBytes: number;
  /** The same for neighbours in other zones, beside the others: they may be slow, and must not take the others' lanes. */
  readonly farLanes: number;
  /**
   * Neighbours that do not send and are asked at once, while a lane is free. Default 8: nearly as quick as asking all of
   * 24, at a third of the messages; 6 cost 0.3 % of time.
   */
  readonly searchWidth: number;
  /**
   * Pieces asked at once of a neighbour that alone holds them, up to `soleWindowBytes`. Default 8: it gives each of them
   * to one first, and of more wishes one more often is for such a piece.
   */
  readonly solePiecesPerLink: number;
  /** Default 32 MiB. */
  readonly soleWindowBytes: number;
  /**
   * Pieces from where a reader is that are asked for before all others, in order; 0 for none. Default 24: twice what
   * may be asked of the senders at once, `wishesPerSender` over each of `lanes`. With half of that eight readers
   * stall for 2.0 s in place of 1.7 s, with a quarter one does for 1.8 s in place of nothing.
   */
  readonly readerWindow: number;
  /** Readers that have such a window; later ones get it when earlier ones are done. Default 4. */
  readonly maxReaders: number;
  /** Neighbours asked for one piece at once, until one of them begins to send it. Default 8. */
  readonly claimsPerPiece: number;
  /**
   * A neighbour that lacks a piece hears at once that it is held here while fewer hold it, of those that are known of.
   * Default 8: at 32 peers 12 cost a quarter more of these messages, and 5 cost 0.3 % of time.
   */
  readonly youngCopies: number;
  /** A neighbour that has the piece, while no more hold it. Default 2. */
  readonly freshCopies: number;
  /** How long others may be left to hear of it. Default 1 s or half of what a piece takes, and the rest of a tick. */
  readonly maxUntoldMs: number;
  /**
   * How long the members of a zone wait for each of those that come before them to bring in a piece from another zone,
   * at least; see `imports.ts`. Default 1.5 s.
   */
  readonly importPatienceMs: number;
  /** Origin reads at once. Default 4. */
  readonly originReads: number;
  /**
   * The first read goes alone until this host has so many pieces to give. Default 8: 0.1 % of time at 32 peers, 0.6 % in
   * three zones; one alone would leave the seed with that one until all reads bring their first.
   */
  readonly firstReadPieces: number;
  /**
   * But not for longer than this after the lease came. Default 250 ms: an origin near by has given some pieces by then;
   * where it is far away, and a connection slow, hardly anything is lost.
   */
  readonly firstReadMs: number;
  /** A blob is split over free reads into parts of at least this. Default 64 MiB: requests are scarce at hubs. */
  readonly minReadBytes: number;
  /**
   * How far the reader may run ahead of the swarm: bytes read from the origin that no neighbour holds yet. It is what
   * has to be read again when the reader dies. Default 32 MiB, at least two pieces for each read.
   */
  readonly originLeadBytes: number;
  /** A lease is shared with another reader only if each part has at least this. Default 32 MiB. */
  readonly minYieldBytes: number;
  /** And if this host would read on for so long. Default 2 s: another request costs a good part of a second. */
  readonly minYieldMs: number;
  /** How often the scheduler is told how much of the lease is left. Default 5 s. */
  readonly progressMs: number;
  /** A read that waits for the swarm goes on after this long without any progress of the swarm. Default 15 s. */
  readonly holdPatienceMs: number;
  /**
   * A begun piece is overdue after three times what pieces took on average; while none has come, after this. Default 10 s:
   * at 2 Mbit/s a first piece of 1 MiB, which comes alone, takes 4.2 s.
   */
  readonly overdueMs: number;
  /** How long a neighbour that took so long for a piece is asked only for what nobody else has. Default 10 s. */
  readonly spareSlowMs: number;
  /** Pause before a lost neighbour is dialled again; doubles with each failure up to 30 s. Default 500 ms. */
  readonly redialMs: number;
  /** Pieces that nobody known has signed which a neighbour may send before it is banned. Default 5. */
  readonly maxUnproven: number;
  /** How long it is left alone after the first of them; doubles with each. Default 1 s. */
  readonly probationMs: number;
  /**
   * Without a neighbour, or without one that has what is missing, and without progress for so long: the scheduler is asked
   * for neighbours again. Default 30 s.
   */
  readonly seekMs: number;
  /**
   * Neighbours dialled in vain this often are given up until the scheduler names them again, except by a host that lacks
   * what no neighbour has and does not read itself. Default 6.
   */
  readonly maxDials: number;
}

export const DEFAULT_SWARM_LIMITS: SwarmLimits = {
  maxClaimedBytes: 256 * MiB,
  lanes: 3,
  farLanes: 1,
  wishesPerSender: 4,
  linkWindowBytes: 3 * MiB,
  searchWidth: 8,
  solePiecesPerLink: 8,
  soleWindowBytes: 32 * MiB,
  readerWindow: 24,
  maxReaders: 4,
  claimsPerPiece: 8,
  youngCopies: 8,
  freshCopies: 2,
  maxUntoldMs: 1_000,
  importPatienceMs: 1_500,
  originReads: 4,
  firstReadPieces: 8,
  firstReadMs: 250,
  minReadBytes: 64 * MiB,
  originLeadBytes: 32 * MiB,
  minYieldBytes: 32 * MiB,
  minYieldMs: 2_000,
  progressMs: 5_000,
  holdPatienceMs: 15_000,
  overdueMs: 10_000,
  spareSlowMs: 10_000,
  redialMs: 500,
  maxUnproven: 5,
  probationMs: 1_000,
  seekMs: 30_000,
  maxDials: 6,
};
