// How a daemon sees the scheduler, wherever that runs: far away behind a stream that breaks and comes back
// (connect-scheduler.ts), or in the same process on a machine of its own (local-scheduler.ts). One conformance suite runs
// on both.

import type {
  AnaxError,
  BlobKey,
  ErrorRecord,
  PeerId,
  PeerInfo,
  Range,
  ReaderGrant,
  SnapshotId,
} from '../core/index.ts';
import type { FoundBlob, LeaseClaim, SchedulerEvent } from '../scheduler/index.ts';

/** What the scheduler is told of a swarm that this host takes part in. */
export interface JoinFacts {
  readonly snapshot: SnapshotId;
  readonly pieceCount: number;
  /** Wire form of the bitfield of pieces that can be given on; empty: none. */
  readonly held: Uint8Array;
  /** Canonical URL without secrets, for people. */
  readonly url: string;
  /** The host of its hub; empty where it has none. */
  readonly origin: string;
  readonly totalBytes: number;
  /** Those that this host believes in the swarm. */
  readonly grants: readonly ReaderGrant[];
  /** The lease that this host holds in the swarm. */
  readonly lease: LeaseClaim | undefined;
}

/** A host's part of what all may ask of an origin together. */
export interface OriginShare {
  readonly origin: string;
  readonly connections: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly requestsPerMinute: number | undefined;
  /** Nothing new may be asked for so long. */
  readonly pauseMs: number;
}

type Unsigned<Event> = Event extends { readonly peer: PeerId } ? Omit<Event, 'peer'> : never;

/** What else a host says of its part in a swarm; see the scheduler's events of the same names. */
export type Statement = Unsigned<
  Extract<
    SchedulerEvent,
    {
      kind:
        | 'leave'
        | 'holdings'
        | 'leaseDone'
        | 'leaseYielded'
        | 'leaseProgress'
        | 'suspect'
        | 'throttled'
        | 'blobsHeld';
    }
  >
>;

/** What a scheduler says. Handlers get messages one at a time, in order, never from inside a call of the link. */
export type SchedulerMessage =
  /** All of this host's neighbours, known ones included: dial those without a link. */
  | { readonly kind: 'neighbours'; readonly snapshot: SnapshotId; readonly peers: readonly PeerInfo[] }
  /** The right to read these pieces at the origin. Takes the place of an earlier one. */
  | {
      readonly kind: 'lease';
      readonly snapshot: SnapshotId;
      readonly epoch: number;
      readonly spans: readonly Range[];
      readonly grant: ReaderGrant;
    }
  /** The lease of this epoch, and any before it, is over. */
  | { readonly kind: 'leaseRevoked'; readonly snapshot: SnapshotId; readonly epoch: number }
  /** Answer with `leaseYielded`. */
  | { readonly kind: 'yieldLease'; readonly snapshot: SnapshotId; readonly epoch: number }
  /** There is much to read: have these seeds take part. */
  | { readonly kind: 'invite'; readonly snapshot: SnapshotId; readonly seeds: readonly PeerInfo[] }
  /** One who read before the scheduler had its key is to be believed. */
  | { readonly kind: 'trust'; readonly snapshot: SnapshotId; readonly grant: ReaderGrant }
  /** To be kept: without a scheduler this host may be elected to read, and is believed by this grant. */
  | { readonly kind: 'deputy'; readonly snapshot: SnapshotId; readonly grant: ReaderGrant }
  /** What this host may ask of an origin until it hears otherwise; `undefined` is without limit. */
  | ({ readonly kind: 'originShare' } & OriginShare)
  /** Answer with `holdings`, naming which of these holders still give pieces to this host. */
  | {
      readonly kind: 'reportHoldings';
      readonly snapshot: SnapshotId;
      readonly holders: readonly PeerId[];
    }
  /** Nobody can read the origin: give up what is incomplete. */
  | { readonly kind: 'swarmFailed'; readonly snapshot: SnapshotId; readonly error: ErrorRecord }
  /** Attended. With `keyChanged` another key than before signs: grants of both are to be trusted. */
  | { readonly kind: 'connected'; readonly schedulerKey: Uint8Array; readonly keyChanged: boolean }
  /** The stream is over; the link goes on trying by itself. Swarms go on with what they have. */
  | { readonly kind: 'disconnected'; readonly error: AnaxError | undefined };

export type SchedulerMessageHandler = (message: SchedulerMessage) => void;

/**
 * What is said while the link is not connected is not kept: on each connection the link announces this host and joins
 * its swarms again, as they are then.
 */
export interface SchedulerLink {
  /** Begins to attend; does not wait until the scheduler is reached. Idempotent. */
  start(): Promise<void>;
  /** Says goodbye and ends. Idempotent; not to be started again. */
  stop(): Promise<void>;
  /** Sets the one handler; before start(). */
  onMessage(handler: SchedulerMessageHandler): void;
  /** Replaces what is known of this host (its port, say). The id stays. */
  announce(self: PeerInfo): void;
  join(facts: JoinFacts): void;
  tell(statement: Statement): void;
  /**
   * Who resolves and lists a ref: a peer, or this host itself. `exclude` were tried and failed. Waits for a connection.
   * Throws `scheduler_unavailable` after 10 s without an answer, `identity_in_use` while another attends in this host's
   * name, and the signal's reason.
   */
  locate(refKey: string, exclude: readonly PeerId[], signal: AbortSignal): Promise<PeerInfo>;
  /**
   * Peers that hold some of these blobs complete; see docs/adr/0011. Waits and throws as `locate` does.
   */
  findBlobs(keys: readonly BlobKey[], signal: AbortSignal): Promise<readonly FoundBlob[]>;
  /** Raw Ed25519 key that signs the grants; the latest one seen, `undefined` before the first connection. */
  readonly schedulerKey: Uint8Array | undefined;
  readonly connected: boolean;
}
