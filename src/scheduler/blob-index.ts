// Which peers hold which complete blobs, whatever snapshot they have them by. Peers say so by key (core: BlobKey), and
// ask by key; nobody learns of holders of what it did not ask for.
//
// Invariants: `holders` has a peer under a key exactly when `keys` has the key under the peer, and no key without a
// holder; no peer is in it that does not attend.

import { type BlobKey, type PeerId, type PeerInfo, zoneKey } from '../core/index.ts';
import { type BlobIndex, isCondemned, type Peer, type Step } from './state.ts';
import type { SchedulerEvent } from './types.ts';

type EventOf<Kind extends SchedulerEvent['kind']> = Extract<SchedulerEvent, { kind: Kind }>;

/** A peer says what it holds: all of it, or what has changed. What is over a limit is counted and left out. */
export function blobsHeld({ state }: Step, { info: { id } }: Peer, event: EventOf<'blobsHeld'>): void {
  const { blobs } = state;
  if (event.isAll) forgetHolder(blobs, id);
  for (const key of event.lost) removeHolder(blobs, id, key);
  for (const key of event.gained) if (!addHolder(state, id, key)) state.ignored.overLimit += 1;
}

function addHolder({ blobs, limits }: Step['state'], id: PeerId, key: BlobKey): boolean {
  const own = blobs.keys.get(id) ?? new Set();
  if (own.has(key)) return true;
  const known = blobs.holders.get(key);
  if (own.size >= limits.blobsPerPeer || (!known && blobs.holders.size >= limits.blobs)) return false;
  // More would be of no use: one that goes makes room for the next that comes.
  if (known && known.size >= limits.holdersPerBlob) return true;
  blobs.keys.set(id, own.add(key));
  blobs.holders.set(key, (known ?? new Set()).add(id));
  return true;
}

function removeHolder(blobs: BlobIndex, id: PeerId, key: BlobKey): void {
  const own = blobs.keys.get(id);
  if (!own?.delete(key)) return;
  if (own.size === 0) blobs.keys.delete(id);
  const holders = blobs.holders.get(key);
  holders?.delete(id);
  if (holders?.size === 0) blobs.holders.delete(key);
}

/** The peer is gone, or says anew what it holds. */
export function forgetHolder(blobs: BlobIndex, id: PeerId): void {
  for (const key of blobs.keys.get(id) ?? []) removeHolder(blobs, id, key);
}

/** Names a few holders of each blob, those in the asker's zone first, in random order. */
export function findBlobs(step: Step, { info }: Peer, { requestId, keys }: EventOf<'findBlobs'>): void {
  const { limits, ignored } = step.state;
  if (keys.length > limits.blobsPerQuestion) ignored.overLimit += 1;
  const found = keys.slice(0, limits.blobsPerQuestion).flatMap((key) => {
    const holders = holdersFor(step, info, key);
    return holders.length > 0 ? { key, holders } : [];
  });
  step.effects.push({ kind: 'blobsFound', to: info.id, requestId, found });
}

function holdersFor({ state, nowMs }: Step, asker: PeerInfo, key: BlobKey): PeerInfo[] {
  const candidates: { info: PeerInfo; order: number }[] = [];
  for (const id of state.blobs.holders.get(key) ?? []) {
    const info = state.peers.get(id)?.info;
    if (!info || id === asker.id || info.port === 0 || isCondemned(state, id, nowMs)) continue;
    const isNear = zoneKey(info) === zoneKey(asker);
    candidates.push({ info, order: state.random() + (isNear ? 0 : 1) });
  }
  const sorted = candidates.toSorted((one, other) => one.order - other.order);
  return sorted.slice(0, state.limits.holdersNamed).map(({ info }) => info);
}
