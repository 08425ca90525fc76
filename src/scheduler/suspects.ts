// Peers that others name for serving wrong bytes. A neighbour that got bytes which do not fit their proof bans the
// sender by itself and says so here. One that is named by members on two hosts, or by all who could have asked it, is
// condemned: what it holds counts as missing, it loses its leases and is nobody's neighbour. It may still take.
//
// One word is not enough: a liar could have an honest holder excluded, and the origin read again. It costs no more than
// that: what is stored anywhere has its proof, whoever gave it.

import type { PeerId } from '../core/index.ts';
import { reconnect } from './neighbours.ts';
import { revoke } from './readers.ts';
import { unlinkAll, unseat } from './seating.ts';
import { isCondemned, type Member, type SchedulerState, type Step, type Swarm, setHeld } from './state.ts';
import type { SchedulerEvent } from './types.ts';

/** Hosts that must name a peer, where so many could. One host may run many daemons. */
const QUORUM_HOSTS = 2;
/** Accused and condemned peers that are remembered. */
const MAX_REMEMBERED = 10_000;

type Suspect = Extract<SchedulerEvent, { kind: 'suspect' }>;

/** Notes an accusation; whether the peer is condemned by it. */
export function suspect(step: Step, swarm: Swarm, accuser: Member, { suspect: id }: Suspect): boolean {
  const { state, nowMs } = step;
  const accused = swarm.members.get(id);
  if (
    !accused ||
    accused === accuser ||
    isCondemned(state, id, nowMs) ||
    isCondemned(state, accuser.peer.info.id, nowMs)
  )
    return false;
  const hosts = state.accusers.get(id) ?? new Set();
  hosts.add(accuser.peer.info.host);
  remember(state.accusers, id, hosts);
  if (hosts.size < quorum(swarm, accused)) return false;
  remember(state.condemned, id, nowMs + state.limits.condemnedMs);
  state.accusers.delete(id);
  return true;
}

function remember<Value>(map: Map<PeerId, Value>, id: PeerId, value: Value): void {
  map.set(id, value);
  const [oldest] = map.keys();
  if (map.size > MAX_REMEMBERED && oldest !== undefined) map.delete(oldest);
}

/** Those that are complete ask nobody, and so name nobody. */
function quorum(swarm: Swarm, accused: Member): number {
  const hosts = new Set<string>();
  for (const member of swarm.members.values()) {
    if (member !== accused && !member.held.isFull) hosts.add(member.peer.info.host);
    if (hosts.size === QUORUM_HOSTS) break;
  }
  return Math.max(1, hosts.size);
}

/** Takes a condemned member out of what others get from. */
export function exclude(step: Step, swarm: Swarm, member: Member): void {
  const { id } = member.peer.info;
  if (swarm.condemned.has(id)) return;
  swarm.condemned.add(id);
  setHeld(swarm, member, swarm.noneHeld);
  const reader = swarm.readers.get(id);
  if (reader) revoke(step, swarm, id, reader.epoch);
  unseat(swarm, member);
  reconnect(step, swarm, unlinkAll(member));
}

/** Names some it may take from; they are not told of it. */
export function pointOut({ state, effects }: Step, swarm: Swarm, { peer }: Member): void {
  const peers = swarm.all.sample(state.limits.degree, state.random).map((other) => other.peer.info);
  effects.push({ kind: 'neighbours', to: peer.info.id, snapshot: swarm.id, peers });
}

/** After its time a condemned peer is like any other once it joins again. */
export function forgive(state: SchedulerState, nowMs: number): void {
  for (const [id, untilMs] of state.condemned) if (nowMs >= untilMs) state.condemned.delete(id);
}
