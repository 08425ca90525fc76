// What the members of a cluster tell each other about themselves.

import type { PeerId } from './ids.ts';

export type PeerRole = 'peer' | 'seed';

export interface PeerInfo {
  readonly id: PeerId;
  /** Raw Ed25519 public key; `id` is made from it. */
  readonly publicKey: Uint8Array;
  /** Where its piece server listens. */
  readonly host: string;
  readonly port: number;
  readonly role: PeerRole;
  /** Topology label, e.g. `region/zone/rack/host`; empty where unknown. */
  readonly zone: string;
  readonly hostname: string;
  readonly version: string;
}

/**
 * What counts as one zone: the first two levels of the label (`region/zone/rack/host`). Bytes are dear between zones;
 * with the whole label every host would be its own zone.
 */
export function zoneKey({ zone }: Pick<PeerInfo, 'zone'>): string {
  return zone.split('/', 2).join('/');
}
