// The attendance stream as a daemon sees it: responses become messages of the link, what the link says becomes requests.

import { create } from '@bufbuild/protobuf';
import {
  type ErrorRecord,
  PEER_ID_BYTES,
  type PeerInfo,
  parsePeerId,
  parseSnapshotId,
  type SnapshotId,
} from '../core/index.ts';
import {
  type AttendRequestInit,
  type AttendResponse,
  errorFromWire,
  errorToWire,
  grantFromWire,
  peerFromWire,
  ReaderGrantSchema,
} from '../rpc/index.ts';
import type { JoinFacts, SchedulerMessage } from './scheduler-link.ts';

export function joinRequest(facts: JoinFacts): AttendRequestInit {
  const { snapshot: snapshotId, pieceCount, url } = facts;
  const held = Uint8Array.from(facts.held);
  const totalBytes = BigInt(facts.totalBytes);
  const leaseEpoch = BigInt(facts.leaseEpoch);
  return { message: { case: 'join', value: { snapshotId, pieceCount, held, url, totalBytes, leaseEpoch } } };
}

export function leaseDoneRequest(
  snapshotId: SnapshotId,
  epoch: number,
  error: ErrorRecord | undefined,
): AttendRequestInit {
  const ended = { snapshotId, epoch: BigInt(epoch) };
  const value = error ? { ...ended, error: errorToWire(error) } : ended;
  return { message: { case: 'leaseDone', value } };
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
      const grant = grantFromWire(
        create(ReaderGrantSchema, {
          snapshotId,
          epoch,
          readerKey: Uint8Array.from(self.publicKey),
          signature,
        }),
      );
      return {
        kind: 'lease',
        snapshot: grant.snapshot,
        epoch: grant.epoch,
        spans: spans.map(({ start, end }) => ({ start: Number(start), end: Number(end) })),
        grant,
      };
    }
    case 'reportHoldings': {
      const { snapshotId, holderPeerId } = message.value;
      const holder = holderPeerId.length === PEER_ID_BYTES * 2 ? parsePeerId(holderPeerId) : undefined;
      return { kind: 'reportHoldings', snapshot: parseSnapshotId(snapshotId), holder };
    }
    case 'swarmFailed': {
      const { snapshotId, error } = message.value;
      return { kind: 'swarmFailed', snapshot: parseSnapshotId(snapshotId), error: errorFromWire(error) };
    }
    case 'welcome':
    case 'located':
    case 'keepalive':
    case 'leaseRevoked':
    case 'trust':
    case undefined:
      return undefined;
  }
}
