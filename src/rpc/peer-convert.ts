// Peers and reader grants between core's values and protobuf messages. Both come from strangers, so ids are checked.

import { create } from '@bufbuild/protobuf';
import {
  AnaxError,
  type PeerInfo,
  PUBLIC_KEY_BYTES,
  parsePeerId,
  parseSnapshotId,
  peerIdOf,
  type ReaderGrant,
  SIGNATURE_BYTES,
} from '../core/index.ts';
import { PeerInfoSchema, PeerRole, type PeerInfo as WirePeerInfo } from './gen/anax/v1/common_pb.js';
import { ReaderGrantSchema, type ReaderGrant as WireReaderGrant } from './gen/anax/v1/scheduler_pb.js';

/** Longest host, zone, name or version taken, in characters. */
const MAX_LABEL_LENGTH = 255;
const MAX_PORT = 65_535;

export function peerToWire(peer: PeerInfo): WirePeerInfo {
  const { id, publicKey, role, ...rest } = peer;
  return create(PeerInfoSchema, {
    ...rest,
    peerId: id,
    publicKey: Uint8Array.from(publicKey),
    role: role === 'seed' ? PeerRole.SEED : PeerRole.PEER,
  });
}

/** Throws `peer_protocol` unless the id belongs to the key and the rest is within its limits. */
export function peerFromWire(wire: WirePeerInfo | undefined): PeerInfo {
  if (!wire) throw new AnaxError('peer_protocol', 'a peer is missing');
  const { publicKey, host, port, zone, hostname, version } = wire;
  const id = parsePeerId(wire.peerId);
  if (publicKey.length !== PUBLIC_KEY_BYTES || peerIdOf(publicKey) !== id) {
    throw new AnaxError('peer_protocol', `the key of peer ${id} is not its own`);
  }
  if (port > MAX_PORT || [host, zone, hostname, version].some((text) => text.length > MAX_LABEL_LENGTH)) {
    throw new AnaxError('peer_protocol', `peer ${id} describes itself out of bounds`);
  }
  const role = wire.role === PeerRole.SEED ? 'seed' : 'peer';
  return { id, publicKey, host, port, role, zone, hostname, version };
}

export function grantToWire(grant: ReaderGrant): WireReaderGrant {
  return create(ReaderGrantSchema, {
    snapshotId: grant.snapshot,
    epoch: BigInt(grant.epoch),
    readerKey: Uint8Array.from(grant.readerKey),
    signature: Uint8Array.from(grant.signature),
  });
}

/** Checks the form only; TrustedReaders checks the signature. Throws `peer_protocol`. */
export function grantFromWire(wire: WireReaderGrant | undefined): ReaderGrant {
  if (wire?.readerKey.length !== PUBLIC_KEY_BYTES || wire.signature.length !== SIGNATURE_BYTES) {
    throw new AnaxError('peer_protocol', 'not a reader grant');
  }
  const { readerKey, signature } = wire;
  return { snapshot: parseSnapshotId(wire.snapshotId), epoch: Number(wire.epoch), readerKey, signature };
}
