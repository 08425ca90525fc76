// The simulated scheduler: the machine behind streams, as src/scheduler-server/scheduler-service.ts runs it.

import type { PeerId } from '../core/index.ts';
import {
  createSchedulerState,
  hasPeer,
  type SchedulerEvent,
  type SchedulerState,
  step,
} from '../scheduler/index.ts';
import type { Link, LinkNode } from './link.ts';
import type { World } from './world.ts';

/** As in src/scheduler-server/scheduler-service.ts. */
const START_SETTLE_MS = 2_000;
const TICK_MS = 1_000;

export class SimScheduler implements LinkNode {
  isCutOff = false;
  /** How far the time of day is off at the next start. */
  clockErrorMs = 0;
  readonly #world: World;
  #state: SchedulerState | undefined;
  readonly #links = new Map<PeerId, Link>();

  constructor(world: World) {
    this.#world = world;
  }

  get isUp(): boolean {
    return this.#state !== undefined;
  }

  start(): void {
    const { agenda, options } = this.#world;
    const state = createSchedulerState({
      rngSeed: Math.floor(this.#world.random() * 2 ** 31),
      limits: { startSettleMs: START_SETTLE_MS, ...options.scheduler },
      epochBase: Math.max(1, Math.floor(agenda.nowMs + this.clockErrorMs)),
    });
    this.#state = state;
    this.#tick(state);
  }

  /** Nothing is kept. */
  stop(): void {
    this.#state = undefined;
    for (const link of this.#links.values()) link.break();
    this.#links.clear();
  }

  received(link: Link, event: SchedulerEvent): void {
    // Connected before it stopped, announced after: the connection went with the process.
    if (!this.#state) return link.break();
    if (event.kind === 'announce') this.#announced(link, event.peer.id);
    else if (event.kind === 'tick' || this.#links.get(event.peer) !== link) return;
    this.#feed(event);
    if (event.kind === 'announce') {
      link.send(() => this.#world.host(event.peer.id).session?.attendance.welcome(link));
    }
  }

  #announced(link: Link, peer: PeerId): void {
    const former = this.#links.get(peer);
    this.#links.set(peer, link);
    if (former && former !== link) former.break();
  }

  linkDisturbed(): void {}

  linkLost(link: Link): void {
    for (const end of link.ends) {
      const peer = (end as { info?: { id: PeerId } }).info?.id;
      if (peer === undefined || this.#links.get(peer) !== link) continue;
      this.#links.delete(peer);
      this.#feed({ kind: 'gone', peer });
    }
  }

  #tick(state: SchedulerState): void {
    if (this.#state !== state) return;
    this.#feed({ kind: 'tick' });
    for (const [peer, link] of this.#links) if (!hasPeer(state, peer)) link.break();
    this.#world.agenda.after(TICK_MS, () => this.#tick(state));
  }

  #feed(event: SchedulerEvent): void {
    if (!this.#state) return;
    for (const effect of step(this.#state, event, this.#world.agenda.nowMs)) {
      this.#world.checks.schedulerMessages += 1;
      const host = this.#world.host(effect.to);
      if (effect.kind === 'lease') this.#world.checks.granted(host, effect.epoch, effect.spans);
      this.#links.get(effect.to)?.send(() => host.session?.attendance.onEffect(effect));
    }
  }
}
