// The scheduler's half of a swarm session: says what this host has, reads and suspects there, and hands what the
// scheduler wants to the part that does it.
//
// Invariant: a scheduler that was away can be told all that it must know of this host's part: joinFacts, then tellSuspects.

import {
  type AnaxError,
  type ErrorRecord,
  fromErrorRecord,
  type PeerId,
  type PeerInfo,
  type ReaderGrant,
  totalBytes,
} from '../core/index.ts';
import type { JoinFacts, SchedulerMessage } from '../scheduler-server/index.ts';
import { type SwarmEffect, type SwarmState, unreadSpans } from '../swarm/index.ts';
import type { Exchange } from './exchange.ts';
import { offeredPieces } from './offers.ts';
import { originOf } from './origin-budget.ts';
import type { OriginSide } from './origin-side.ts';
import type { Succession } from './succession.ts';
import type { SwarmContext } from './swarm-context.ts';

/** The session's other parts, as far as the scheduler has to do with them. */
export interface SchedulerParts {
  readonly exchange: Pick<Exchange, 'isUp'>;
  readonly origin: Pick<OriginSide, 'credentials' | 'leaseEpoch' | 'takeLease' | 'loseLease' | 'leaseDone'>;
  readonly succession: Pick<Succession, 'appoint'>;
  /** `undefined` until the session has opened its blobs. */
  readonly state: () => SwarmState | undefined;
  readonly onGrants: (grants: readonly ReaderGrant[]) => void;
  /** Nobody can read the origin. */
  readonly onFailed: (error: AnaxError) => void;
}

export class SchedulerSide {
  readonly #context: SwarmContext;
  readonly #parts: SchedulerParts;
  /** Peers that served wrong bytes. */
  readonly #suspects = new Set<PeerId>();
  /** Whether pieces were lost while this host had the lease, which the scheduler then takes to be held. */
  #lostDuringLease = false;

  constructor(context: SwarmContext, parts: SchedulerParts) {
    this.#context = context;
    this.#parts = parts;
  }

  // What this host says.

  join(): void {
    this.#context.deps.scheduler.join(this.joinFacts());
  }

  /** What the scheduler is told when this host takes part, and again after it came back. */
  joinFacts(): JoinFacts {
    const { deps, snapshot, map } = this.#context;
    return {
      snapshot: snapshot.id,
      pieceCount: map.pieceCount,
      held: offeredPieces(this.#context).toBytes(),
      url: deps.source.format(snapshot.ref),
      origin: originOf(snapshot.ref.endpoint),
      totalBytes: totalBytes(snapshot.manifest),
      grants: this.#context.trust.grants(),
      lease: this.#leaseClaim(),
    };
  }

  #leaseClaim(): JoinFacts['lease'] {
    const epoch = this.#parts.origin.leaseEpoch;
    const state = this.#parts.state();
    return epoch > 0 && state ? { epoch, spans: unreadSpans(state) } : undefined;
  }

  /** The neighbours are not enough: others are wanted. */
  seek(): void {
    this.join();
    this.tellSuspects();
  }

  /** Wrong bytes are told to the scheduler: others may get them, too. */
  suspect(peer: PeerId): void {
    this.#suspects.add(peer);
    this.tellSuspects();
  }

  /** Also to a scheduler that was away, or did not know them when it was told. */
  tellSuspects(): void {
    const { deps, snapshot } = this.#context;
    for (const suspect of this.#suspects)
      deps.scheduler.tell({ kind: 'suspect', snapshot: snapshot.id, suspect });
  }

  /** Pieces that were held are so no more. */
  piecesLost(): void {
    this.#lostDuringLease = this.#parts.origin.leaseEpoch > 0;
    this.join();
  }

  tellOfLease(effect: Extract<SwarmEffect, { kind: 'leaseYielded' | 'leaseProgress' }>): void {
    const { deps, snapshot } = this.#context;
    deps.scheduler.tell({ ...effect, snapshot: snapshot.id });
  }

  endLease(epoch: number, error: ErrorRecord | undefined): void {
    this.#parts.origin.leaseDone(epoch, error);
    if (!this.#lostDuringLease) return;
    this.#lostDuringLease = false;
    this.join();
  }

  leave(): void {
    const { deps, snapshot } = this.#context;
    deps.scheduler.tell({ kind: 'leave', snapshot: snapshot.id });
  }

  // What the scheduler says.

  onMessage(message: SchedulerMessage): void {
    const { origin, succession } = this.#parts;
    switch (message.kind) {
      case 'neighbours':
        return this.#context.feed({ kind: 'neighbours', peers: message.peers });
      case 'lease':
        return origin.takeLease(message.epoch, message.grant, message.spans);
      case 'trust':
        return this.#parts.onGrants([message.grant]);
      case 'deputy':
        return succession.appoint(message.grant);
      case 'reportHoldings':
        return this.#reportHoldings(message.holders);
      case 'leaseRevoked':
        return origin.loseLease(message.epoch);
      case 'yieldLease':
        return this.#context.feed({ kind: 'yieldLease', epoch: message.epoch });
      case 'invite':
        return this.#invite(message.seeds);
      case 'swarmFailed':
        return this.#parts.onFailed(fromErrorRecord(message.error));
      case 'connected':
      case 'disconnected':
      case 'originShare':
        return undefined;
    }
  }

  #reportHoldings(holders: readonly PeerId[]): void {
    const { deps, snapshot } = this.#context;
    const heard = holders.filter((holder) => this.#parts.exchange.isUp(holder));
    const held = offeredPieces(this.#context).toBytes();
    deps.scheduler.tell({ kind: 'holdings', snapshot: snapshot.id, held, heard });
  }

  /** Has seeds take part, with the credentials that this host reads with. */
  #invite(seeds: readonly PeerInfo[]): void {
    const { deps, snapshot, run } = this.#context;
    for (const seed of seeds) run(deps.invite(seed, snapshot, this.#parts.origin.credentials));
  }
}
