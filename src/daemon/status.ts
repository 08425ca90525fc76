// Parts of what a daemon says of itself.

import type { StoredBlob } from '../core/index.ts';
import type { DaemonStatus } from '../rpc/index.ts';
import type { SwarmSession } from './swarm-session.ts';

export function cacheStatus(
  dir: string,
  blobs: readonly StoredBlob[],
  capacityBytes: number | undefined,
): DaemonStatus['cache'] {
  return {
    dir,
    blobs: blobs.length,
    heldBytes: blobs.reduce((sum, blob) => sum + blob.heldBytes, 0),
    ...(capacityBytes !== undefined && { capacityBytes }),
  };
}

export function swarmStatus(session: SwarmSession, url: string): DaemonStatus['swarms'][number] {
  return {
    snapshotId: session.snapshot.id,
    url,
    piecesHeld: session.held.count,
    pieceCount: session.map.pieceCount,
    totalBytes: session.map.blobs.reduce((sum, blob) => sum + blob.sizeBytes, 0),
    neighbours: session.exchange.neighbours,
  };
}
