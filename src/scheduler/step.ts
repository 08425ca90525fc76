// The scheduler as a pure machine: step(state, event, now) → effects. It decides who exchanges with whom and who reads
// the origin; shells carry the effects out. No clock, no random, no socket, no file: a run is repeatable from its seed
// and its events.
//
// Any event may come at any time, in any order, from anybody: what makes no sense is counted and ignored.

import { unreachable } from '../core/index.ts';
import { blobsHeld, findBlobs } from './blob-index.ts';
import { leaseDone, leaseTick } from './lease.ts';
import { locate } from './locate.ts';
import { accuse, announce, forgetSwarm, gone, holdings, join, leave } from './membership.ts';
import { forgetOrigins, throttled } from './origins.ts';
import { leaseProgress, leaseYielded } from './sharing.ts';
import type { Peer, SchedulerState, Step } from './state.ts';
import { forgive } from './suspects.ts';
import type { SchedulerEffect, SchedulerEvent } from './types.ts';
import { takeVouchers } from './vouchers.ts';

/** Takes one event in; `state` changes in place. `nowMs` must not run backwards by more than its jitter. */
export function step(state: SchedulerState, event: SchedulerEvent, nowMs: number): SchedulerEffect[] {
  state.firstEventMs ??= nowMs;
  const context: Step = { state, nowMs, effects: [] };
  if (event.kind === 'announce') announce(context, event);
  else if (event.kind === 'tick') tick(context);
  else ofPeer(context, event);
  return context.effects;
}

type PeerEvent = Exclude<SchedulerEvent, { kind: 'announce' | 'tick' }>;

function ofPeer(context: Step, event: PeerEvent): void {
  const peer = context.state.peers.get(event.peer);
  if (!peer) {
    context.state.ignored.unknownPeer += 1;
    return;
  }
  peer.lastHeardMs = context.nowMs;
  handle(context, peer, event);
}

function handle(context: Step, peer: Peer, event: PeerEvent): void {
  switch (event.kind) {
    case 'alive':
      return;
    case 'gone':
      gone(context, peer, event.goodbye ?? false);
      return;
    case 'join':
      join(context, peer, event);
      return;
    case 'leave':
      leave(context, peer, event.snapshot, true);
      return;
    case 'holdings':
      holdings(context, peer, event);
      return;
    case 'leaseDone':
    case 'leaseYielded':
    case 'leaseProgress':
      ofHolder(context, event);
      return;
    case 'throttled':
      throttled(context, event);
      return;
    case 'suspect':
      accuse(context, peer, event);
      return;
    case 'locate':
      locate(context, peer, event);
      return;
    case 'blobsHeld':
      blobsHeld(context, peer, event);
      return;
    case 'findBlobs':
      findBlobs(context, peer, event);
      return;
    default:
      unreachable(event);
  }
}

function ofHolder(
  context: Step,
  event: Extract<SchedulerEvent, { kind: 'leaseDone' | 'leaseYielded' | 'leaseProgress' }>,
): void {
  const swarm = context.state.swarms.get(event.snapshot);
  const member = swarm?.members.get(event.peer);
  if (!swarm || !member) return;
  if (event.kind === 'leaseDone') leaseDone(context, swarm, member, event);
  else if (event.kind === 'leaseYielded') leaseYielded(context, swarm, event);
  else leaseProgress(context, swarm, event);
}

/** Costs O(peers + swarms), some milliseconds at the limits of both. */
function tick(context: Step): void {
  const { state, nowMs } = context;
  for (const peer of state.peers.values()) {
    if (nowMs - peer.lastHeardMs >= state.limits.peerTtlMs) gone(context, peer, false);
    else if (peer.unconfirmed.size > 0 && nowMs >= peer.rejoinByMs) {
      for (const snapshot of peer.unconfirmed) leave(context, peer, snapshot, true);
    }
  }
  forgive(state, nowMs);
  forgetOrigins(state, nowMs);
  for (const swarm of state.swarms.values()) {
    if (swarm.members.size > 0) {
      takeVouchers(context, swarm);
      leaseTick(context, swarm);
    } else if (nowMs - swarm.emptySinceMs >= state.limits.swarmTtlMs) forgetSwarm(context, swarm);
  }
}
