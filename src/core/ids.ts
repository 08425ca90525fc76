// Branded identifiers.

import type { Brand } from './brand.ts';
import { AnaxError } from './error.ts';

/** A peer: the first 16 bytes of the sha256 of its Ed25519 public key, as 32 hex digits. */
export type PeerId = Brand<string, 'PeerId'>;

/** A snapshot: the sha256 of its manifest's canonical form, as 64 hex digits. Names the swarm, too. */
export type SnapshotId = Brand<string, 'SnapshotId'>;

export const PEER_ID_BYTES = 16;
export const SNAPSHOT_ID_BYTES = 32;

function parseHexId(text: string, bytes: number, what: string): string {
  if (text.length !== bytes * 2 || !/^[0-9a-f]+$/u.test(text)) {
    throw new AnaxError('peer_protocol', `not a ${what}: ${text.slice(0, 80)}`);
  }
  return text;
}

/** Throws `peer_protocol` where the text is no peer id. */
export function parsePeerId(text: string): PeerId {
  return parseHexId(text, PEER_ID_BYTES, 'peer id') as PeerId;
}

/** Throws `peer_protocol` where the text is no snapshot id. */
export function parseSnapshotId(text: string): SnapshotId {
  return parseHexId(text, SNAPSHOT_ID_BYTES, 'snapshot id') as SnapshotId;
}
