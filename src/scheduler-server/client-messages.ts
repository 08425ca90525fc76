// The attendance stream as a daemon sees it: responses become messages of the link, what the link says becomes requests.

import { create } from '@bufbuild/protobuf';
import { type PeerInfo, parsePeerId, parseSnapshotId, type ReaderGrant } from '../core/index.ts';
import {
  type AttendRequestInit,
  type AttendResponse,
  type BlobsFound,
  errorFromWire,
  errorToWire,
  grantFromWire,
  grantToWire,
  peerFromWire,
  ReaderGrantSchema,
} from '../rpc/index.ts';
import type { FoundBlob } from '../scheduler/index.ts';
import type { JoinFacts, SchedulerMessage, Statement } from './scheduler-link.ts';
import { keyFromWire, keysToWire } from './wire-keys.ts';
import { spansFromWire, spansToWire } from './wire-spans.ts';

export function joinRequest(facts: JoinFacts): AttendRequestInit {
  const { snapshot: snapshotId, pieceCount, url, origin, lease } = facts;
  const held = Uint8Array.from(facts.held);
  const totalBytes = BigInt(facts.totalBytes);
  const grants = facts.grants.map(grantToWire);
  const claim = lease && { lease: { epoch: BigInt(lease.epoch), spans: spansToWire(lease.spans) } };
  return {
    message: {
      case: 'join',
      value: { snapshotId, pieceCount, held, url, origin, totalBytes, grants, ...claim },
    },
  };
}

export function toRequest(statement: Statement): AttendRequestInit {
  if (statement.kind === 'throttled') {
    return { message: { case: 'throttled', value: { waitMs: BigInt(Math.ceil(statement.waitMs)) } } };
  }
  if (statement.kind === 'blobsHeld') {
    const { isAll: all, gained, lost } = statement;
    const value = { all, gainedKeys: keysToWire(gained), lostKeys: keysToWire(lost) };
    return { message: { case: 'blobsHeld', value } };
  }
  const { snapshot: snapshotId } = statement;
  switch (statement.kind) {
    case 'leave':
      return { message: { case: 'leave', value: { snapshotId } } };
    case 'holdings': {
      const held = Uint8Array.from(statement.held);
      return {
        message: { case: 'holdings', value: { snapshotId, held, heardPeerIds: [...statement.heard] } },
      };
    }
    case 'leaseDone': {
      const ended = { snapshotId, epoch: BigInt(statement.epoch) };
      const value = statement.error ? { ...ended, error: errorToWire(statement.error) } : ended;
      return { message: { case: 'leaseDone', value } };
    }
    case 'leaseYielded': {
      const value = { snapshotId, epoch: BigInt(statement.epoch), spans: spansToWire(statement.spans) };
      return { message: { case: 'leaseYielded', value } };
    }
    case 'suspect':
      return { message: { case: 'peerSuspect', value: { snapshotId, peerId: statement.suspect } } };
    case 'leaseProgress': {
      const { epoch, leftPieces } = statement;
      return { message: { case: 'leaseProgress', value: { snapshotId, epoch: BigInt(epoch), leftPieces } } };
    }
  }
}

/** Blobs that somebody holds. Throws `peer_protocol`. */
export function toFoundBlobs({ holders, found }: BlobsFound): FoundBlob[] {
  const peers = holders.map(peerFromWire);
  return found.map(({ key, holdersAt }) => ({
    key: keyFromWire(key),
    holders: holdersAt.flatMap((at) => peers[at] ?? []),
  }));
}

/** The grant for this host that the scheduler signed. */
function grantOf(self: PeerInfo, snapshotId: string, epoch: bigint, signature: Uint8Array): ReaderGrant {
  const readerKey = Uint8Array.from(self.publicKey);
  return grantFromWire(
    create(ReaderGrantSchema, { snapshotId, epoch, readerKey, signature: Uint8Array.from(signature) }),
  );
}

/** What a response says to the daemon; `undefined` for those that are the link's own. Throws `peer_protocol`. */
export function toMessage({ message }: AttendResponse, self: PeerInfo): SchedulerMessage | undefined {
  switch (message.case) {
    case 'neighbours': {
      const { snapshotId, peers } = message.value;
      return { kind: 'neighbours', snapshot: parseSnapshotId(snapshotId), peers: peers.map(peerFromWire) };
    }
    case 'lease': {
      const { snapshotId, epoch, grantSignature: signature, spans } = message.value;
      const grant = grantOf(self, snapshotId, epoch, signature);
      return {
        kind: 'lease',
        snapshot: grant.snapshot,
        epoch: grant.epoch,
        spans: spansFromWire(spans),
        grant,
      };
    }
    case 'reportHoldings': {
      const { snapshotId, holderPeerIds } = message.value;
      const holders = holderPeerIds.map(parsePeerId);
      return { kind: 'reportHoldings', snapshot: parseSnapshotId(snapshotId), holders };
    }
    case 'leaseRevoked':
    case 'yieldLease': {
      const { snapshotId, epoch } = message.value;
      return { kind: message.case, snapshot: parseSnapshotId(snapshotId), epoch: Number(epoch) };
    }
    case 'invite': {
      const { snapshotId, seeds } = message.value;
      return { kind: 'invite', snapshot: parseSnapshotId(snapshotId), seeds: seeds.map(peerFromWire) };
    }
    case 'deputy': {
      const { snapshotId, grantSignature } = message.value;
      const grant = grantOf(self, snapshotId, 0n, grantSignature);
      return { kind: 'deputy', snapshot: grant.snapshot, grant };
    }
    case 'originShare': {
      const { origin, connections, bytesPerSecond, requestsPerMinute, pauseMs } = message.value;
      return {
        kind: 'originShare',
        origin,
        connections,
        bytesPerSecond: bytesPerSecond === undefined ? undefined : Number(bytesPerSecond),
        requestsPerMinute,
        pauseMs: Number(pauseMs),
      };
    }
    case 'swarmFailed': {
      const { snapshotId, error } = message.value;
      return { kind: 'swarmFailed', snapshot: parseSnapshotId(snapshotId), error: errorFromWire(error) };
    }
    case 'trust': {
      const grant = grantFromWire(message.value.grant);
      return { kind: 'trust', snapshot: grant.snapshot, grant };
    }
    case 'welcome':
    case 'located':
    case 'blobsFound':
    case 'keepalive':
    case undefined:
      return undefined;
  }
}
