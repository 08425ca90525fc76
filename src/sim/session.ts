// One run of a host's daemon: a crash ends it, a restart begins another. Steps the swarm machine, and sees to it that the
// machine has heard what was announced before anything else happens to it.

import type { PeerId } from '../core/index.ts';
import {
  createSwarmState,
  heldCount,
  type SwarmEffect,
  type SwarmEvent,
  type SwarmState,
  step,
} from '../swarm/index.ts';
import type { Agenda } from './agenda.ts';
import { Attendance } from './attendance.ts';
import { SimViolation } from './checks.ts';
import { Exchange } from './exchange.ts';
import type { SimHost } from './host.ts';
import { OriginReader } from './origin-reader.ts';
import { Succession } from './succession.ts';
import type { World } from './world.ts';

/** Time as a daemon sees it. */
export class SessionClock {
  readonly #agenda: Agenda;
  #errorMs: number;

  constructor(agenda: Agenda, errorMs: number) {
    this.#agenda = agenda;
    this.#errorMs = errorMs;
  }

  get nowMs(): number {
    return this.at(this.#agenda.nowMs);
  }

  /** What it shows at a moment of the agenda. */
  at(agendaMs: number): number {
    return agendaMs + this.#errorMs;
  }

  /** The process, or its machine, stood still for so long as far as its clock says. It never goes back. */
  jump(forwardMs: number): void {
    this.#errorMs += forwardMs;
  }
}

export class Session {
  readonly exchange: Exchange;
  readonly reader: OriginReader;
  readonly attendance: Attendance;
  readonly succession: Succession;
  readonly #clock: SessionClock;
  readonly #state: SwarmState;
  readonly #world: World;
  readonly #host: SimHost;
  /** Hands the machine an announcement that waited. */
  readonly #hear: (from: number, piece: number, atMs: number) => void;

  constructor(world: World, host: SimHost) {
    this.#world = world;
    this.#host = host;
    this.#clock = new SessionClock(world.agenda, host.clockErrorMs);
    this.#state = createSwarmState({
      self: host.info.id,
      zone: host.info.zone,
      map: world.map,
      held: host.disk,
      rngSeed: Math.floor(world.random() * 2 ** 31),
      limits: world.options.swarm,
    });
    this.#hear = (from, piece, atMs) => {
      const peer = world.ids[from] as PeerId;
      const effects = step(this.#state, { kind: 'have', peer, pieces: [piece] }, this.#clock.at(atMs));
      if (effects.length > 0) throw new SimViolation(`host ${host.index} acts on piece ${piece} too late`);
    };
    this.exchange = new Exchange(world, host);
    this.reader = new OriginReader(world, host);
    this.attendance = new Attendance(world, host);
    this.succession = new Succession(world, host);
  }

  get nowMs(): number {
    return this.#clock.nowMs;
  }

  /** The machine's state, up to date. */
  get state(): SwarmState {
    this.#catchUp();
    return this.#state;
  }

  /** How many pieces a neighbour has, as far as the machine knows. */
  heldBy(other: SimHost): number {
    if (this.#world.inboxes.hasFrom(this.#host.index, other.index)) this.#catchUp();
    return heldCount(this.#state, other.info.id);
  }

  /** Its clock jumps. */
  jump(forwardMs: number): void {
    this.#catchUp();
    this.#clock.jump(forwardMs);
  }

  step(event: SwarmEvent): SwarmEffect[] {
    this.#catchUp();
    const effects = step(this.#state, event, this.#clock.nowMs);
    this.#world.inboxes.open(this.#host.index, this.#state);
    return effects;
  }

  #catchUp(): void {
    this.#world.inboxes.empty(this.#host.index, this.#hear);
  }
}
