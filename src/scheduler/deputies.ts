// Who may be elected to read when the scheduler is gone. Each deputy gets a grant beforehand, since nobody can give it one
// then. A grant lets its owner say what the content is, so there are few.

import { type Member, type Step, type Swarm } from './state.ts';

/** Members that are looked at to replace one. */
const CANDIDATES = 4;

/** A member joined: it becomes a deputy where there are too few, and one that is hears it again. */
export function appoint({ state, effects }: Step, swarm: Swarm, { peer }: Member): void {
  const { id } = peer.info;
  if (swarm.condemned.has(id)) return;
  if (!swarm.deputies.has(id) && swarm.deputies.size >= state.limits.deputies) return;
  swarm.deputies.add(id);
  effects.push({ kind: 'deputy', to: id, snapshot: swarm.id });
}

/** A member is none any more. */
export function dismiss(step: Step, swarm: Swarm, { peer }: Member): void {
  if (!swarm.deputies.delete(peer.info.id)) return;
  const others = swarm.all.sample(CANDIDATES, step.state.random);
  const next = others.find((other) => !swarm.deputies.has(other.peer.info.id) && other.peer !== peer);
  if (next) appoint(step, swarm, next);
}
