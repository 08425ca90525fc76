// What goes into and comes out of the scheduler machine. See step.ts.

import type { ErrorRecord, PeerId, PeerInfo, Range, SnapshotId } from '../core/index.ts';

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
      readonly totalBytes: number;
      /** A lease that the peer still holds from before the scheduler came back: its epoch; 0 for none. */
      readonly leaseEpoch: number;
    }
  | { readonly kind: 'leave'; readonly peer: PeerId; readonly snapshot: SnapshotId }
  /** The answer to `reportHoldings`. */
  | {
      readonly kind: 'holdings';
      readonly peer: PeerId;
      readonly snapshot: SnapshotId;
      readonly held: Uint8Array;
      /** Whether the peer still has a living link to the lease's holder. */
      readonly readerAlive: boolean;
    }
  /** The holder has read its spans, or can't: then `error` says why. */
  | {
      readonly kind: 'leaseDone';
      readonly peer: PeerId;
      readonly snapshot: SnapshotId;
      readonly epoch: number;
      readonly error?: ErrorRecord;
    }
  /** Who resolves and lists this ref? `exclude` were tried and failed. */
  | {
      readonly kind: 'locate';
      readonly peer: PeerId;
      readonly requestId: number;
      readonly refKey: string;
      readonly exclude: readonly PeerId[];
    }
  | { readonly kind: 'tick' };

/** What the shell sends to a daemon. */
export type SchedulerEffect =
  /** All of the peer's neighbours, those that it knows included; it dials those that it has no link with. */
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
  /**
   * Tell what you hold. Never sent to the peer that holds the lease: who receives it and holds one has lost it (another
   * reads, or is about to), and stops reading.
   */
  | {
      readonly kind: 'reportHoldings';
      readonly to: PeerId;
      readonly snapshot: SnapshotId;
      /** Whom the lease was granted to, where it is not known to be over: answer whether it still gives you pieces. */
      readonly holder: PeerId | undefined;
    }
  | { readonly kind: 'located'; readonly to: PeerId; readonly requestId: number; readonly peer: PeerInfo }
  /** No member can read the origin: the swarm's incomplete members give up with this error. */
  | {
      readonly kind: 'swarmFailed';
      readonly to: PeerId;
      readonly snapshot: SnapshotId;
      readonly error: ErrorRecord;
    };
