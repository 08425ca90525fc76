// Status and cache listings between plain values and protobuf messages.

import { create } from '@bufbuild/protobuf';
import { AnaxError, parseDigest, parseSnapshotId } from '../core/index.ts';
import type { BlobSelector, CacheListing, DaemonStatus } from './control-types.ts';
import {
  type BlobSelector as BlobSelectorMessage,
  BlobSelectorSchema,
  BlobState,
  type ControlStatusResponse,
  ControlStatusResponseSchema,
  type ListBlobsResponse,
  ListBlobsResponseSchema,
} from './gen/anax/v1/control_pb.js';
import { peerFromWire, peerToWire } from './peer-convert.ts';

export function statusToWire(status: DaemonStatus): ControlStatusResponse {
  const { cache, totals } = status;
  return create(ControlStatusResponseSchema, {
    peer: peerToWire(status.peer),
    uptimeMs: BigInt(Math.round(status.uptimeMs)),
    scheduler: { address: status.scheduler.address ?? '', connected: status.scheduler.connected },
    cache: {
      dir: cache.dir,
      blobs: cache.blobs,
      heldBytes: BigInt(cache.heldBytes),
      capacityBytes: BigInt(cache.capacityBytes ?? 0),
    },
    swarms: status.swarms.map((swarm) => ({ ...swarm, totalBytes: BigInt(swarm.totalBytes) })),
    originWaits: status.originWaits.map(({ origin, waitMs }) => ({
      origin,
      waitMs: BigInt(Math.ceil(waitMs)),
    })),
    totals: {
      bytesFromPeers: BigInt(totals.bytesFromPeers),
      bytesFromOrigin: BigInt(totals.bytesFromOrigin),
      bytesToPeers: BigInt(totals.bytesToPeers),
      originRequests: BigInt(totals.originRequests),
    },
  });
}

export function statusFromWire(wire: ControlStatusResponse): DaemonStatus {
  const { scheduler, cache, totals } = wire;
  const capacityBytes = Number(cache?.capacityBytes ?? 0n);
  const address = scheduler?.address ?? '';
  return {
    peer: peerFromWire(wire.peer),
    uptimeMs: Number(wire.uptimeMs),
    scheduler: { ...(address !== '' && { address }), connected: scheduler?.connected ?? false },
    cache: {
      dir: cache?.dir ?? '',
      blobs: cache?.blobs ?? 0,
      heldBytes: Number(cache?.heldBytes ?? 0n),
      ...(capacityBytes > 0 && { capacityBytes }),
    },
    swarms: wire.swarms.map(({ snapshotId, url, piecesHeld, pieceCount, totalBytes, neighbours }) => ({
      snapshotId: parseSnapshotId(snapshotId),
      url,
      piecesHeld,
      pieceCount,
      totalBytes: Number(totalBytes),
      neighbours,
    })),
    originWaits: wire.originWaits.map(({ origin, waitMs }) => ({ origin, waitMs: Number(waitMs) })),
    totals: {
      bytesFromPeers: Number(totals?.bytesFromPeers ?? 0n),
      bytesFromOrigin: Number(totals?.bytesFromOrigin ?? 0n),
      bytesToPeers: Number(totals?.bytesToPeers ?? 0n),
      originRequests: Number(totals?.originRequests ?? 0n),
    },
  };
}

export function listingToWire(listing: CacheListing): ListBlobsResponse {
  return create(ListBlobsResponseSchema, {
    blobs: listing.blobs.map((blob) => ({
      digest: blob.digest,
      sizeBytes: BigInt(blob.sizeBytes),
      heldBytes: BigInt(blob.heldBytes),
      state: blob.state === 'complete' ? BlobState.COMPLETE : BlobState.PARTIAL,
      aliases: [...blob.aliases],
      lastUsedAtMs: BigInt(Math.round(blob.lastUsedAtMs)),
      pinned: blob.pinned,
    })),
    snapshots: listing.snapshots.map((snapshot) => ({
      snapshotId: snapshot.snapshotId,
      url: snapshot.url,
      files: snapshot.files,
      totalBytes: BigInt(snapshot.totalBytes),
      heldBytes: BigInt(snapshot.heldBytes),
      digests: [...snapshot.digests],
      pinned: snapshot.pinned,
    })),
  });
}

export function listingFromWire(wire: ListBlobsResponse): CacheListing {
  return {
    blobs: wire.blobs.map((blob) => ({
      digest: parseDigest(blob.digest),
      sizeBytes: Number(blob.sizeBytes),
      heldBytes: Number(blob.heldBytes),
      state: blob.state === BlobState.COMPLETE ? 'complete' : 'partial',
      aliases: blob.aliases.map(parseDigest),
      lastUsedAtMs: Number(blob.lastUsedAtMs),
      pinned: blob.pinned,
    })),
    snapshots: wire.snapshots.map((snapshot) => ({
      snapshotId: parseSnapshotId(snapshot.snapshotId),
      url: snapshot.url,
      files: snapshot.files,
      totalBytes: Number(snapshot.totalBytes),
      heldBytes: Number(snapshot.heldBytes),
      digests: snapshot.digests.map(parseDigest),
      pinned: snapshot.pinned,
    })),
  };
}

export function selectorToWire(target: BlobSelector): BlobSelectorMessage {
  const selector =
    target.kind === 'digest'
      ? { case: 'digest' as const, value: target.digest as string }
      : { case: 'snapshotId' as const, value: target.snapshotId };
  return create(BlobSelectorSchema, { selector });
}

/** Throws `usage_invalid` for a selector that names nothing or is malformed. */
export function selectorFromWire(wire: BlobSelectorMessage | undefined): BlobSelector {
  switch (wire?.selector.case) {
    case 'digest':
      return { kind: 'digest', digest: parseDigest(wire.selector.value) };
    case 'snapshotId':
      return { kind: 'snapshot', snapshotId: wire.selector.value };
    case undefined:
      throw new AnaxError('usage_invalid', 'no blob and no snapshot is named');
  }
}
