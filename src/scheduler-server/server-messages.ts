// The attendance stream as the scheduler sees it: requests become events of the machine, effects become responses.
// Requests come from strangers: everything is checked or bounded here, and what is not understood is an AnaxError.

import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  AnaxError,
  type Identity,
  isGrantOf,
  MAX_PIECES,
  type PeerId,
  type PeerInfo,
  parsePeerId,
  parseSnapshotId,
  signReaderGrant,
} from '../core/index.ts';
import {
  type AttendRequest,
  type AttendResponseSchema,
  errorFromWire,
  errorToWire,
  grantFromWire,
  grantToWire,
  peerToWire,
  type ReaderGrantMessage,
} from '../rpc/index.ts';
import type { SchedulerEffect, SchedulerEvent } from '../scheduler/index.ts';
import { keyFromWire } from './wire-keys.ts';
import { spansFromWire, spansToWire } from './wire-spans.ts';

export type ResponseInit = MessageInitShape<typeof AttendResponseSchema>;

const MAX_HELD_BYTES = MAX_PIECES / 8;
/** Holders that one answer may name. */
const MAX_HEARD = 1_000;
/** Readers of before that one join may name. */
const MAX_GRANTS = 16;
const MAX_URL_LENGTH = 2_048;
const MAX_ORIGIN_LENGTH = 255;
const MAX_REF_KEY_LENGTH = 1_024;
/** Peers that one question may exclude. */
const MAX_EXCLUDED = 1_000;

/** Blobs in one message: 2 MiB. */
const MAX_KEYS = 65_536;

/** What an attending peer says, other than `announce`. Unknown messages count as a sign of life. Throws `peer_protocol`. */
export function toEvent(peer: PeerId, { message }: AttendRequest, schedulerKey: Uint8Array): SchedulerEvent {
  switch (message.case) {
    case 'join': {
      const { snapshotId, pieceCount, held, url, origin, totalBytes, lease } = message.value;
      return {
        kind: 'join',
        peer,
        snapshot: parseSnapshotId(snapshotId),
        pieceCount,
        held: checkHeld(held),
        url: url.slice(0, MAX_URL_LENGTH),
        origin: origin.slice(0, MAX_ORIGIN_LENGTH),
        totalBytes: toSafeNumber(totalBytes),
        readers: strangers(message.value.grants, schedulerKey),
        lease: lease && { epoch: toSafeNumber(lease.epoch), spans: spansFromWire(lease.spans) },
      };
    }
    case 'leave':
      return { kind: 'leave', peer, snapshot: parseSnapshotId(message.value.snapshotId) };
    case 'holdings': {
      const { snapshotId, held, heardPeerIds } = message.value;
      if (heardPeerIds.length > MAX_HEARD) throw new AnaxError('peer_protocol', 'too many holders');
      return {
        kind: 'holdings',
        peer,
        snapshot: parseSnapshotId(snapshotId),
        held: checkHeld(held),
        heard: heardPeerIds.map(parsePeerId),
      };
    }
    case 'leaseDone': {
      const { snapshotId, epoch, error } = message.value;
      const snapshot = parseSnapshotId(snapshotId);
      const ended = { kind: 'leaseDone', peer, snapshot, epoch: toSafeNumber(epoch) } as const;
      return error ? { ...ended, error: errorFromWire(error) } : ended;
    }
    case 'leaseYielded': {
      const { snapshotId, epoch, spans } = message.value;
      const snapshot = parseSnapshotId(snapshotId);
      return {
        kind: 'leaseYielded',
        peer,
        snapshot,
        epoch: toSafeNumber(epoch),
        spans: spansFromWire(spans),
      };
    }
    case 'leaseProgress': {
      const { snapshotId, epoch, leftPieces } = message.value;
      const snapshot = parseSnapshotId(snapshotId);
      return { kind: 'leaseProgress', peer, snapshot, epoch: toSafeNumber(epoch), leftPieces };
    }
    case 'locate': {
      const { requestId, refKey, excludePeerIds } = message.value;
      if (refKey.length > MAX_REF_KEY_LENGTH || excludePeerIds.length > MAX_EXCLUDED) {
        throw new AnaxError('peer_protocol', 'a question for the reader of a ref is too long');
      }
      return { kind: 'locate', peer, requestId, refKey, exclude: excludePeerIds.map(parsePeerId) };
    }
    case 'blobsHeld': {
      const { all: isAll, gainedKeys, lostKeys } = message.value;
      if (gainedKeys.length > MAX_KEYS || lostKeys.length > MAX_KEYS) {
        throw new AnaxError('peer_protocol', 'too many blobs in one message');
      }
      return {
        kind: 'blobsHeld',
        peer,
        isAll,
        gained: gainedKeys.map(keyFromWire),
        lost: lostKeys.map(keyFromWire),
      };
    }
    case 'findBlobs': {
      const { requestId, keys } = message.value;
      if (keys.length > MAX_KEYS) throw new AnaxError('peer_protocol', 'too many blobs in one question');
      return { kind: 'findBlobs', peer, requestId, keys: keys.map(keyFromWire) };
    }
    case 'throttled':
      return { kind: 'throttled', peer, waitMs: toSafeNumber(message.value.waitMs) };
    case 'peerSuspect': {
      const { snapshotId, peerId } = message.value;
      return { kind: 'suspect', peer, snapshot: parseSnapshotId(snapshotId), suspect: parsePeerId(peerId) };
    }
    case 'goodbye':
      return { kind: 'gone', peer, goodbye: true };
    case 'announce':
    case 'keepalive':
    case undefined:
      return { kind: 'alive', peer };
  }
}

/** The keys of readers that another scheduler granted. */
function strangers(grants: readonly ReaderGrantMessage[], schedulerKey: Uint8Array): Uint8Array[] {
  const known = grants.slice(0, MAX_GRANTS).map(grantFromWire);
  return known.filter((grant) => !isGrantOf(schedulerKey, grant)).map(({ readerKey }) => readerKey);
}

function checkHeld(held: Uint8Array): Uint8Array {
  if (held.length > MAX_HELD_BYTES) throw new AnaxError('peer_protocol', 'a bitfield is too long');
  return held;
}

function toSafeNumber(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new AnaxError('peer_protocol', 'a number is too large');
  return number;
}

/** What to tell `peer`, whom the effect is for; leases are signed here. */
export function toResponse(effect: SchedulerEffect, peer: PeerInfo, identity: Identity): ResponseInit {
  switch (effect.kind) {
    case 'neighbours': {
      const peers = effect.peers.map(peerToWire);
      return { message: { case: 'neighbours', value: { snapshotId: effect.snapshot, peers } } };
    }
    case 'lease': {
      const { snapshot, epoch } = effect;
      const grant = signReaderGrant(identity, { snapshot, epoch, readerKey: peer.publicKey });
      const spans = spansToWire(effect.spans);
      const grantSignature = Uint8Array.from(grant.signature);
      const value = { snapshotId: snapshot, epoch: BigInt(epoch), grantSignature, spans };
      return { message: { case: 'lease', value } };
    }
    case 'reportHoldings': {
      const value = { snapshotId: effect.snapshot, holderPeerIds: [...effect.holders] };
      return { message: { case: 'reportHoldings', value } };
    }
    case 'leaseRevoked':
    case 'yieldLease': {
      const value = { snapshotId: effect.snapshot, epoch: BigInt(effect.epoch) };
      return { message: { case: effect.kind, value } };
    }
    case 'invite': {
      const value = { snapshotId: effect.snapshot, seeds: effect.seeds.map(peerToWire) };
      return { message: { case: 'invite', value } };
    }
    case 'deputy': {
      const { snapshot } = effect;
      const grant = signReaderGrant(identity, { snapshot, epoch: 0, readerKey: peer.publicKey });
      const grantSignature = Uint8Array.from(grant.signature);
      return { message: { case: 'deputy', value: { snapshotId: snapshot, grantSignature } } };
    }
    case 'trust': {
      const { snapshot, readerKey } = effect;
      const grant = signReaderGrant(identity, { snapshot, epoch: 0, readerKey });
      return { message: { case: 'trust', value: { grant: grantToWire(grant) } } };
    }
    case 'originShare': {
      const { origin, connections, bytesPerSecond, requestsPerMinute, pauseMs } = effect;
      const value = {
        origin,
        ...(connections !== undefined && { connections }),
        ...(bytesPerSecond !== undefined && { bytesPerSecond: BigInt(bytesPerSecond) }),
        ...(requestsPerMinute !== undefined && { requestsPerMinute }),
        pauseMs: BigInt(Math.ceil(pauseMs)),
      };
      return { message: { case: 'originShare', value } };
    }
    case 'located': {
      const answer =
        effect.peer.id === peer.id
          ? ({ case: 'self', value: true } as const)
          : ({ case: 'peer', value: peerToWire(effect.peer) } as const);
      return { message: { case: 'located', value: { requestId: effect.requestId, answer } } };
    }
    case 'blobsFound': {
      const holders = [...new Set(effect.found.flatMap((blob) => blob.holders))];
      const places = new Map(holders.map((holder, at) => [holder, at]));
      const found = effect.found.map((blob) => ({
        key: Uint8Array.from(Buffer.from(blob.key, 'hex')),
        holdersAt: blob.holders.map((holder) => places.get(holder) ?? 0),
      }));
      const value = { requestId: effect.requestId, holders: holders.map(peerToWire), found };
      return { message: { case: 'blobsFound', value } };
    }
    case 'swarmFailed': {
      const value = { snapshotId: effect.snapshot, error: errorToWire(effect.error) };
      return { message: { case: 'swarmFailed', value } };
    }
  }
}
