// Blob keys on the wire: 32 bytes each.

import { type BlobKey, parseSnapshotId } from '../core/index.ts';

export function keysToWire(keys: readonly BlobKey[]): Uint8Array<ArrayBuffer>[] {
  return keys.map((key) => Uint8Array.from(Buffer.from(key, 'hex')));
}

/** Throws `peer_protocol`. */
export function keyFromWire(bytes: Uint8Array): BlobKey {
  return parseSnapshotId(Buffer.from(bytes).toString('hex'));
}
