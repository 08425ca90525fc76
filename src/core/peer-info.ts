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
