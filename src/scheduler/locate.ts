// Who resolves and lists a ref: one peer for all that ask, so that the origin is asked once. A seed by rendezvous hash;
// without seeds the first that asked, as long as it lives and nobody has found it failing.

import type { PeerId } from '../core/index.ts';
import { rendezvous } from './rendezvous.ts';
import type { Peer, SchedulerState, Step } from './state.ts';
import type { SchedulerEvent } from './types.ts';

type Locate = Extract<SchedulerEvent, { kind: 'locate' }>;

export function locate(step: Step, asker: Peer, { requestId, refKey, exclude }: Locate): void {
  const { state } = step;
  const excluded = new Set(exclude);
  const seed = rendezvous(refKey, eligible(state.seeds, excluded));
  const id = seed ?? firstAsker(state, refKey, asker.info.id, excluded);
  const peer = state.peers.get(id) ?? asker;
  step.effects.push({ kind: 'located', to: asker.info.id, requestId, peer: peer.info });
}

function* eligible(seeds: Iterable<PeerId>, excluded: ReadonlySet<PeerId>): Generator<PeerId> {
  for (const seed of seeds) if (!excluded.has(seed)) yield seed;
}

/** Where the remembered one fails the asker, the asker takes its place for everybody: else each would go to the origin. */
function firstAsker(state: SchedulerState, refKey: string, asker: PeerId, excluded: Set<PeerId>): PeerId {
  const known = state.refs.get(refKey);
  const first = known !== undefined && state.peers.has(known) && !excluded.has(known) ? known : asker;
  state.refs.delete(refKey);
  state.refs.set(refKey, first);
  if (state.refs.size > state.limits.refs) {
    const [oldest] = state.refs.keys();
    if (oldest !== undefined) state.refs.delete(oldest);
  }
  return first;
}
