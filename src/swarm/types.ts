// What goes into and comes out of the swarm machine: one host's share of one snapshot's swarm. See machine.ts.

import type { Bitfield, ErrorRecord, PeerId, PeerInfo, Range } from '../core/index.ts';

/** Why a piece that was asked for did not come. */
export type RequestFailure =
  /** The parent is at its limits; `retryAfterMs` says when to ask again. */
  | 'busy'
  /** The parent does not hold it (any more). */
  | 'not-held'
  /** The bytes, or the proof with them, were wrong: the parent is not asked again. */
  | 'corrupt'
  /** Nobody who is known to be a reader has signed the proof. */
  | 'unproven'
  /** The request ended without the piece for another reason. */
  | 'error';

export type BanReason = Extract<RequestFailure, 'corrupt' | 'unproven'>;

export type SwarmEvent =
  /** The scheduler names peers to exchange with. */
  | { readonly kind: 'neighbours'; readonly peers: readonly PeerInfo[] }
  /** A neighbour answered and said what it holds. */
  | { readonly kind: 'linkUp'; readonly peer: PeerId; readonly held: Bitfield }
  /** The link to a neighbour ended, or could not be made. */
  | { readonly kind: 'linkDown'; readonly peer: PeerId }
  | { readonly kind: 'have'; readonly peer: PeerId; readonly pieces: readonly number[] }
  /** The first bytes of a piece that was asked for came. */
  | { readonly kind: 'begun'; readonly peer: PeerId; readonly piece: number }
  /** A piece was verified and stored. */
  | { readonly kind: 'stored'; readonly piece: number; readonly from: PeerId | 'origin' }
  | {
      readonly kind: 'requestFailed';
      readonly peer: PeerId;
      readonly piece: number;
      readonly reason: RequestFailure;
      readonly retryAfterMs: number;
    }
  /** The scheduler grants this peer the right to read pieces from the origin. */
  | { readonly kind: 'lease'; readonly epoch: number; readonly spans: readonly Range[] }
  /** The lease is over: the scheduler gave it to somebody else, or is about to. */
  | { readonly kind: 'leaseLost' }
  /** Another could read as well: give back a part of the lease. */
  | { readonly kind: 'yieldLease'; readonly epoch: number }
  /** An origin read ended: with all its pieces stored, or with an error that makes further reads pointless. */
  | { readonly kind: 'readEnded'; readonly readId: number; readonly error: ErrorRecord | undefined }
  /** Pieces that were held turned out to be wrong or were lost: they are wanted again. */
  | { readonly kind: 'dropped'; readonly pieces: readonly number[] }
  /** A blob can't be had (the origin lacks it or serves it wrong): its pieces are not wanted any more. */
  | { readonly kind: 'abandon'; readonly pieces: Range }
  /**
   * Somebody on this host reads these pieces in order and waits for the first of them; told again whenever it moves on.
   * An empty range is a reader that has gone.
   */
  | { readonly kind: 'reader'; readonly id: number; readonly pieces: Range }
  /** It has what it wanted, or wants no more. */
  | { readonly kind: 'readerGone'; readonly id: number }
  /** The time of a `look` came. */
  | { readonly kind: 'look' }
  | { readonly kind: 'tick' };

/** Which running reads may take bytes of the origin: all, none, or only the one of this id. The others may ask for them. */
export type ReadPace = 'all' | 'none' | number;

export type SwarmEffect =
  | { readonly kind: 'dial'; readonly peer: PeerInfo }
  | { readonly kind: 'request'; readonly peer: PeerId; readonly piece: number }
  | { readonly kind: 'cancel'; readonly peer: PeerId; readonly piece: number }
  /**
   * Tell everybody who was told this host's holdings that it has this piece as well. That is more than the links that
   * are up: a neighbour may know our bitfield while its own is still on the way. Those in `later` may be told together
   * with what they hear of at once, but before anything is asked of them: they go by how much each holds.
   */
  | { readonly kind: 'announce'; readonly piece: number; readonly later: ReadonlySet<PeerId> }
  /** Whatever was left for later is to be told now. */
  | { readonly kind: 'announceRest' }
  /** Never speak to this peer again: it served wrong bytes, or too often what nobody can check. */
  | { readonly kind: 'ban'; readonly peer: PeerId; readonly piece: number; readonly reason: BanReason }
  /** Read these pieces, all of one blob, from the origin in one request. */
  | { readonly kind: 'read'; readonly readId: number; readonly pieces: Range }
  /** Feed `look` in so many milliseconds: a piece may be overdue by then. */
  | { readonly kind: 'look'; readonly afterMs: number }
  /** Nobody is left to get anything from: have the scheduler name neighbours again. */
  | { readonly kind: 'seek' }
  /** A running read is to end before this piece: the rest is another's to read. */
  | { readonly kind: 'shortenRead'; readonly readId: number; readonly end: number }
  /** These pieces of the lease are given back unread; none where too little is left. */
  | { readonly kind: 'leaseYielded'; readonly epoch: number; readonly spans: readonly Range[] }
  /** How many pieces of the lease are still to be read. */
  | { readonly kind: 'leaseProgress'; readonly epoch: number; readonly leftPieces: number }
  /** From now on. At first all may. */
  | { readonly kind: 'paceReads'; readonly pace: ReadPace }
  | { readonly kind: 'leaseDone'; readonly epoch: number; readonly error: ErrorRecord | undefined };
