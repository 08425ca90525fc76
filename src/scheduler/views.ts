// Read-only views of the state, for status pages. Copies: they don't change when the machine steps on.

import type { PeerId, PeerInfo, PeerRole, SnapshotId } from '../core/index.ts';
import { piecesIn } from './spans.ts';
import type { IgnoredCounts, Reader, SchedulerState, Swarm } from './state.ts';

interface MemberView {
  readonly peer: PeerId;
  readonly role: PeerRole;
  /** Pieces held as last reported; it may hold more by now. */
  readonly heldCount: number;
  readonly complete: boolean;
  /** Its links in the planned mesh. */
  readonly links: number;
}

interface LeaseView {
  readonly holder: PeerId;
  readonly epoch: number;
  readonly pieces: number;
  /** False while the holder is lost to the scheduler and members are being asked. */
  readonly attended: boolean;
}

export interface SwarmView {
  readonly snapshot: SnapshotId;
  readonly url: string;
  readonly pieceCount: number;
  readonly totalBytes: number;
  readonly members: readonly MemberView[];
  readonly completeCount: number;
  readonly leases: readonly LeaseView[];
  /** Highest epoch granted or known; 0 for none. */
  readonly epoch: number;
}

interface PeerView {
  readonly info: PeerInfo;
  /** Swarms that it is in. */
  readonly swarms: number;
  /** By the clock that step() is given. */
  readonly lastHeardMs: number;
  /** Keys of complete blobs that it is known to hold. */
  readonly blobKeys: number;
}

export function swarmViews(state: SchedulerState): SwarmView[] {
  return Array.from(state.swarms.values(), viewSwarm);
}

function viewSwarm(swarm: Swarm): SwarmView {
  const { id: snapshot, url, pieceCount, totalBytes, epoch } = swarm;
  const members = Array.from(swarm.members.values(), ({ peer, held, links }) => ({
    peer: peer.info.id,
    role: peer.info.role,
    heldCount: held.count,
    complete: held.isFull,
    links: links.size,
  }));
  const completeCount = swarm.availability.fullCount;
  const leases = Array.from(swarm.readers.values(), viewLease);
  return { snapshot, url, pieceCount, totalBytes, members, completeCount, leases, epoch };
}

function viewLease({ peer: holder, epoch, spans, isLost }: Reader): LeaseView {
  return { holder, epoch, pieces: piecesIn(spans), attended: !isLost };
}

export function peerViews(state: SchedulerState): PeerView[] {
  return Array.from(state.peers.values(), ({ info, swarms, lastHeardMs }) => ({
    info,
    swarms: swarms.size,
    lastHeardMs,
    blobKeys: state.blobs.keys.get(info.id)?.size ?? 0,
  }));
}

/** Whether the peer is attending, as far as the machine knows. */
export function hasPeer(state: SchedulerState, id: PeerId): boolean {
  return state.peers.has(id);
}

/** How many inputs were ignored, by reason, since the start. */
export function ignoredCounts(state: SchedulerState): IgnoredCounts {
  return { ...state.ignored };
}
