// What goes into and comes out of the scheduler machine. See step.ts.

import type { BlobKey, ErrorRecord, PeerId, PeerInfo, Range, SnapshotId } from '../core/index.ts';

/** A lease as its holder knows it. */
export interface LeaseClaim {
  readonly epoch: number;
  /** What it has still to read. */
  readonly spans: readonly Range[];
}

export type SchedulerEvent =
  /** A daemon's stream opened (or re-opened after a break) and it said who it is. */
  | {
      readonly kind: 'announce';
      readonly peer: PeerInfo;
      /** Whether it attended a scheduler before this connection; shows a new scheduler that it had a predecessor. */
      readonly returning?: boolean;
      /** Whether this only corrects what it said on the same connection: then its swarms need not be joined again. */
      readonly correction?: boolean;
    }
  /** Its stream ended. After a `goodbye` it is known to read no origin any more; else that is found out first. */
  | { readonly kind: 'gone'; readonly peer: PeerId; readonly goodbye?: boolean }
  /** Anything was received from it. */
  | { readonly kind: 'alive'; readonly peer: PeerId }
  /** It takes part in a swarm; `held` is the wire form of its bitfield (empty: none). Also sent after a scheduler came back. */
  | {
      readonly kind: 'join';
      readonly peer: PeerId;
      readonly snapshot: SnapshotId;
      readonly pieceCount: number;
      readonly held: Uint8Array;
      /** Canonical URL without secrets, for people. */
      readonly url: string;
      /** The host of its hub; those with the same share a budget. Empty where it has none. */
      readonly origin: string;
      readonly totalBytes: number;
      /** Keys of readers that it believes and this scheduler did not grant; see vouchers.ts. */
      readonly readers: readonly Uint8Array[];
      /** The lease that the peer holds, from before it lost the scheduler. */
      readonly lease: LeaseClaim | undefined;
    }
  | { readonly kind: 'leave'; readonly peer: PeerId; readonly snapshot: SnapshotId }
  /** The answer to `reportHoldings`. */
  | {
      readonly kind: 'holdings';
      readonly peer: PeerId;
      readonly snapshot: SnapshotId;
      readonly held: Uint8Array;
      /** Of the lost holders that it was asked about, those that it still has a living link to. */
      readonly heard: readonly PeerId[];
    }
  /** The holder has read its spans, or can't: then `error` says why. */
  | {
      readonly kind: 'leaseDone';
      readonly peer: PeerId;
      readonly snapshot: SnapshotId;
      readonly epoch: number;
      readonly error?: ErrorRecord;
    }
  /** The holder gives these spans of its lease back, having read nothing of them; none where too little is left. */
  | {
      readonly kind: 'leaseYielded';
      readonly peer: PeerId;
      readonly snapshot: SnapshotId;
      readonly epoch: number;
      readonly spans: readonly Range[];
    }
  /** How many pieces of its lease the holder has still to read. Said now and then, while it gets on. */
  | {
      readonly kind: 'leaseProgress';
      readonly peer: PeerId;
      readonly snapshot: SnapshotId;
      readonly epoch: number;
      readonly leftPieces: number;
    }
  /** An origin asked this peer to wait. */
  | { readonly kind: 'throttled'; readonly peer: PeerId; readonly waitMs: number }
  /** A member got wrong bytes from another one. */
  | {
      readonly kind: 'suspect';
      readonly peer: PeerId;
      readonly snapshot: SnapshotId;
      readonly suspect: PeerId;
    }
  /** Who resolves and lists this ref? `exclude` were tried and failed. */
  | {
      readonly kind: 'locate';
      readonly peer: PeerId;
      readonly requestId: number;
      readonly refKey: string;
      readonly exclude: readonly PeerId[];
    }
  /** It holds these blobs complete: all that it does (`isAll`), or more and fewer than it said before. */
  | {
      readonly kind: 'blobsHeld';
      readonly peer: PeerId;
      readonly isAll: boolean;
      readonly gained: readonly BlobKey[];
      readonly lost: readonly BlobKey[];
    }
  /** Who holds these blobs? */
  | {
      readonly kind: 'findBlobs';
      readonly peer: PeerId;
      readonly requestId: number;
      readonly keys: readonly BlobKey[];
    }
  | { readonly kind: 'tick' };

/** A blob that was asked for, and some of those who hold it. */
export interface FoundBlob {
  readonly key: BlobKey;
  readonly holders: readonly PeerInfo[];
}

/** What the shell sends to a daemon. */
export type SchedulerEffect =
  /** Peers to exchange with, those that it knows included; it dials those that it has no link with. */
  | {
      readonly kind: 'neighbours';
      readonly to: PeerId;
      readonly snapshot: SnapshotId;
      readonly peers: readonly PeerInfo[];
    }
  /** The shell signs the reader grant with the scheduler's identity. */
  | {
      readonly kind: 'lease';
      readonly to: PeerId;
      readonly snapshot: SnapshotId;
      readonly epoch: number;
      readonly spans: readonly Range[];
    }
  /** The lease of this epoch, and any before it, is over: another reads, or is about to. */
  | {
      readonly kind: 'leaseRevoked';
      readonly to: PeerId;
      readonly snapshot: SnapshotId;
      readonly epoch: number;
    }
  /** Another could read as well: give back about half of what is left of the lease, if that is much. */
  | {
      readonly kind: 'yieldLease';
      readonly to: PeerId;
      readonly snapshot: SnapshotId;
      readonly epoch: number;
    }
  /** There is much to read: have these seeds take part. */
  | {
      readonly kind: 'invite';
      readonly to: PeerId;
      readonly snapshot: SnapshotId;
      readonly seeds: readonly PeerInfo[];
    }
  /**
   * A grant to keep: where there is no scheduler any more, its deputies may elect one of them to read what nobody holds.
   * The shell signs it as for a lease, with epoch 0.
   */
  | { readonly kind: 'deputy'; readonly to: PeerId; readonly snapshot: SnapshotId }
  /** One who read before this scheduler had its key is to be believed. The shell signs a grant with epoch 0. */
  | {
      readonly kind: 'trust';
      readonly to: PeerId;
      readonly snapshot: SnapshotId;
      readonly readerKey: Uint8Array;
    }
  /** What this peer may ask of an origin until it hears otherwise; `undefined` is without limit. */
  | {
      readonly kind: 'originShare';
      readonly to: PeerId;
      readonly origin: string;
      readonly connections: number | undefined;
      readonly bytesPerSecond: number | undefined;
      readonly requestsPerMinute: number | undefined;
      /** Nothing new may be asked for so long. */
      readonly pauseMs: number;
    }
  /** Tell what you hold, and which of these you still get pieces from: lost holders of leases. */
  | {
      readonly kind: 'reportHoldings';
      readonly to: PeerId;
      readonly snapshot: SnapshotId;
      readonly holders: readonly PeerId[];
    }
  | { readonly kind: 'located'; readonly to: PeerId; readonly requestId: number; readonly peer: PeerInfo }
  /** The answer to `findBlobs`: those of which there are holders. */
  | {
      readonly kind: 'blobsFound';
      readonly to: PeerId;
      readonly requestId: number;
      readonly found: readonly FoundBlob[];
    }
  /** No member can read the origin: the swarm's incomplete members give up with this error. */
  | {
      readonly kind: 'swarmFailed';
      readonly to: PeerId;
      readonly snapshot: SnapshotId;
      readonly error: ErrorRecord;
    };
