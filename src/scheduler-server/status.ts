// The scheduler's state as the Status call shows it.

import { create } from '@bufbuild/protobuf';
import type { Clock, Identity } from '../core/index.ts';
import { peerToWire, type SchedulerStatusResponse, SchedulerStatusResponseSchema } from '../rpc/index.ts';
import { peerViews, type SchedulerState, type SwarmView, swarmViews } from '../scheduler/index.ts';

export interface StatusFacts {
  readonly identity: Identity;
  readonly clock: Clock;
  readonly version?: string;
}

export function schedulerStatus(
  state: SchedulerState,
  { identity, clock, version = '' }: StatusFacts,
  startedAtMs: number,
): SchedulerStatusResponse {
  const nowMs = clock.now();
  const peers = peerViews(state).map(({ info, swarms, lastHeardMs, blobKeys }) => ({
    info: peerToWire(info),
    swarms,
    lastSeenMsAgo: toUint(nowMs - lastHeardMs),
    blobKeys,
  }));
  return create(SchedulerStatusResponseSchema, {
    schedulerId: identity.id,
    version,
    uptimeMs: toUint(nowMs - startedAtMs),
    peers,
    swarms: swarmViews(state).map(swarmToWire),
  });
}

function swarmToWire(swarm: SwarmView) {
  return {
    snapshotId: swarm.snapshot,
    url: swarm.url,
    pieceCount: swarm.pieceCount,
    totalBytes: toUint(swarm.totalBytes),
    peers: swarm.members.length,
    completePeers: swarm.completeCount,
    leases: swarm.leases.map(({ holder: peerId, epoch, pieces }) => ({
      peerId,
      epoch: toUint(epoch),
      pieces,
    })),
  };
}

/** The clock may be set back: then a duration is 0. */
function toUint(value: number): bigint {
  return BigInt(Math.max(0, Math.round(value)));
}
