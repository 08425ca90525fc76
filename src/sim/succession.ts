// A host's part in electing a reader when the scheduler is gone, as src/daemon/succession.ts does it.

import type { PeerId, PeerInfo } from '../core/index.ts';
import {
  createSuccession,
  hearNews,
  isStarved,
  type MemberNews,
  newsOf,
  type SelfFacts,
  type SuccessionEffect,
  type SuccessionState,
  successionTick,
  type Vote,
  vote,
  voteReceived,
} from '../swarm/index.ts';
import type { SimHost } from './host.ts';
import type { Session } from './session.ts';
import type { World } from './world.ts';

/** A dial into nowhere fails after this: transport's `connectTimeoutMs`. */
const DIAL_TIMEOUT_MS = 5_000;

export class Succession {
  readonly #world: World;
  readonly #host: SimHost;
  readonly #state: SuccessionState;

  constructor(world: World, host: SimHost) {
    this.#world = world;
    this.#host = host;
    this.#state = createSuccession(world.random);
  }

  #facts({ state, reader, attendance, exchange }: Session): SelfFacts {
    return {
      info: this.#host.info,
      isAttended: attendance.isConnected,
      isDeputy: reader.isDeputy,
      leaseEpoch: reader.leaseEpoch,
      isStarved: isStarved(state),
      lastProgressMs: state.lastProgressMs,
      held: this.#host.disk,
      neighbours: exchange.peers,
    };
  }

  /** Runs while the host does. */
  #with<Result>(run: (self: SelfFacts, nowMs: number) => Result): Result | undefined {
    const { session } = this.#host;
    if (session?.succession !== this) return undefined;
    return run(this.#facts(session), session.nowMs);
  }

  tick(): void {
    this.#carryOut(this.#with((self, nowMs) => successionTick(this.#state, self, nowMs)));
  }

  #carryOut(effects: readonly SuccessionEffect[] = []): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'gossip':
          for (const peer of effect.to) this.#gossip(this.#world.host(peer));
          break;
        case 'canvass':
          for (const peer of effect.to) this.#canvass(peer);
          break;
        case 'elected':
          this.#world.checks.granted(this.#host, effect.epoch, effect.spans);
          this.#host.session?.reader.takeLease(effect.epoch, effect.spans);
          break;
        case 'acquaint':
          this.#host.feed({ kind: 'neighbours', peers: effect.peers });
      }
    }
  }

  #gossip(other: SimHost): void {
    const news = this.#with((self, nowMs) => newsOf(this.#state, self, nowMs)) ?? [];
    const link = this.#host.session?.exchange.links.get(other);
    link?.send(() => {
      const answer = other.session?.succession.exchange(news);
      if (answer) link.send(() => this.#hear(answer));
    });
  }

  exchange(news: readonly MemberNews[]): readonly MemberNews[] | undefined {
    this.#hear(news);
    return this.#with((self, nowMs) => newsOf(this.#state, self, nowMs));
  }

  #hear(news: readonly MemberNews[]): void {
    this.#carryOut(this.#with((self, nowMs) => hearNews(this.#state, self, news, nowMs)));
  }

  #canvass({ id }: PeerInfo): void {
    const other = this.#world.host(id);
    const { agenda } = this.#world;
    const isCut = this.#host.isCutOff !== other.isCutOff;
    const takesMs = isCut ? DIAL_TIMEOUT_MS : this.#world.latencyMs(this.#host, other);
    agenda.after(takesMs, () => {
      const answer = isCut ? undefined : other.session?.succession.answer(this.#host.info.id);
      agenda.after(this.#world.latencyMs(this.#host, other), () => {
        this.#carryOut(this.#with((self, nowMs) => voteReceived(this.#state, self, id, answer, nowMs)));
      });
    });
  }

  answer(candidate: PeerId): Vote | undefined {
    return this.#with((self, nowMs) => vote(this.#state, self, candidate, nowMs));
  }
}
