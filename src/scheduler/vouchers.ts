// Who read before this scheduler. One that lost its key can't check the grants of its predecessor, so members that
// join from now on would believe none of the pieces there are. Those that were there say whom they believe; a reader that
// members on two hosts name, or all where only one host has pieces, is granted anew, with epoch 0.
//
// Only for a while after the start: later nobody can come who knew a predecessor and was not heard.

import { PUBLIC_KEY_BYTES } from '../core/index.ts';
import { grantsFromMs, type Member, type Step, type Swarm, type Voucher } from './state.ts';

const QUORUM_HOSTS = 2;
/** Readers of before that are considered in one swarm. */
const MAX_READERS = 16;
/** How long after its start a scheduler listens. */
const LISTEN_MS = 600_000;

/** A member joined and named readers. It hears of those that are believed by now. */
export function vouch(step: Step, swarm: Swarm, member: Member, readers: readonly Uint8Array[]): void {
  const { state, nowMs } = step;
  const isEarly = nowMs < (state.firstEventMs ?? nowMs) + LISTEN_MS;
  for (const readerKey of isEarly ? readers.slice(0, MAX_READERS) : []) {
    if (readerKey.length !== PUBLIC_KEY_BYTES || member.held.count === 0) continue;
    const name = Buffer.from(readerKey).toString('hex');
    const known = swarm.vouched.get(name) ?? { readerKey, hosts: new Set(), isTaken: false };
    if (!swarm.vouched.has(name) && swarm.vouched.size >= MAX_READERS) continue;
    swarm.vouched.set(name, known);
    known.hosts.add(member.peer.info.host);
  }
  for (const voucher of swarm.vouched.values()) if (voucher.isTaken) tell(step, swarm, member, voucher);
  takeVouchers(step, swarm);
}

/** Believes those that enough have named, once all that were there can be back. */
export function takeVouchers(step: Step, swarm: Swarm): void {
  if (swarm.vouched.size === 0 || step.nowMs < grantsFromMs(step.state, swarm)) return;
  const needed = quorum(swarm);
  for (const voucher of swarm.vouched.values()) {
    if (voucher.isTaken || voucher.hosts.size < needed) continue;
    voucher.isTaken = true;
    for (const member of swarm.members.values()) tell(step, swarm, member, voucher);
  }
}

function quorum(swarm: Swarm): number {
  const hosts = new Set<string>();
  for (const { held, peer } of swarm.members.values()) {
    if (held.count > 0) hosts.add(peer.info.host);
    if (hosts.size === QUORUM_HOSTS) break;
  }
  return Math.max(1, hosts.size);
}

function tell({ effects }: Step, swarm: Swarm, { peer }: Member, { readerKey }: Voucher): void {
  effects.push({ kind: 'trust', to: peer.info.id, snapshot: swarm.id, readerKey });
}
