// A host's stream to the scheduler, as src/scheduler-server/connect-scheduler.ts does it: announces, joins, and comes back
// with full jitter when the stream broke. What is said while it is not connected is lost.

import { type PeerId, unreachable } from '../core/index.ts';
import type { LeaseClaim, SchedulerEffect, SchedulerEvent } from '../scheduler/index.ts';
import { unreadSpans } from '../swarm/index.ts';
import type { SimHost } from './host.ts';
import type { Link } from './link.ts';
import { PIECE_BYTES } from './options.ts';
import type { World } from './world.ts';

/** As in src/scheduler-server/connect-scheduler.ts. */
const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 5_000;
const KEEPALIVE_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;

export class Attendance {
  readonly #world: World;
  readonly #host: SimHost;
  #link: Link | undefined;
  #isWelcome = false;
  #wasWelcome = false;
  #failures = 0;
  #welcomeAtMs = 0;

  constructor(world: World, host: SimHost) {
    this.#world = world;
    this.#host = host;
  }

  get #isOver(): boolean {
    return this.#host.session?.attendance !== this;
  }

  /** The stream, while there is one. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** Whether the stream stands, as far as the host knows. */
  get isConnected(): boolean {
    return this.#isWelcome && this.#link?.alive === true;
  }

  /** For how long the scheduler has heard what this host says, and the other way round; 0 where it does not. */
  get connectedMs(): number {
    const isConnected = this.#isWelcome && this.#link?.alive === true && !this.#link.isCut;
    return isConnected ? this.#world.agenda.nowMs - this.#welcomeAtMs : 0;
  }

  start(): void {
    const { agenda, scheduler, options } = this.#world;
    const isCut = this.#host.isCutOff !== scheduler.isCutOff;
    agenda.after(isCut ? CONNECT_TIMEOUT_MS : 2 * options.latencyMs, () => {
      if (this.#isOver) return;
      const canReach = scheduler.isUp && !isCut && this.#host.isCutOff === scheduler.isCutOff;
      if (canReach) this.#attend();
      else this.#retry();
    });
  }

  #retry(): void {
    const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    this.#world.agenda.after(this.#world.random() * ceilingMs, () => {
      if (!this.#isOver) this.start();
    });
  }

  #attend(): void {
    const { scheduler, options } = this.#world;
    this.#link = this.#world.connect(this.#host, scheduler, options.latencyMs);
    this.#say({ kind: 'announce', peer: this.#host.info, returning: this.#wasWelcome });
  }

  /** The scheduler's answer to the announce. */
  welcome(link: Link): void {
    if (link !== this.#link) return;
    this.#failures = 0;
    this.#isWelcome = true;
    this.#welcomeAtMs = this.#world.agenda.nowMs;
    this.#wasWelcome = true;
    this.join();
    this.#keepAlive(link);
  }

  join(): void {
    const { snapshot, map, options } = this.#world;
    this.send({
      kind: 'join',
      peer: this.#host.info.id,
      snapshot,
      pieceCount: map.pieceCount,
      held: this.#host.disk.toBytes(),
      url: 'sim://model',
      origin: 'sim',
      readers: [],
      totalBytes: options.pieces * PIECE_BYTES,
      lease: this.#leaseClaim(),
    });
    // A scheduler that was away, or did not know them yet, has not heard of them.
    for (const banned of this.#host.session?.state.banned ?? []) this.suspect(banned);
  }

  #leaseClaim(): LeaseClaim | undefined {
    const { session } = this.#host;
    const epoch = session?.reader.leaseEpoch ?? 0;
    return session && epoch > 0 ? { epoch, spans: unreadSpans(session.state) } : undefined;
  }

  #keepAlive(link: Link): void {
    this.#world.agenda.after(KEEPALIVE_MS, () => {
      if (this.#isOver || link !== this.#link) return;
      const { scheduler } = this.#world;
      link.send(() => scheduler.received(link, { kind: 'alive', peer: this.#host.info.id }));
      this.#keepAlive(link);
    });
  }

  send(event: SchedulerEvent): void {
    if (this.#isWelcome) this.#say(event);
  }

  #say(event: SchedulerEvent): void {
    const { scheduler, checks } = this.#world;
    const link = this.#link;
    checks.schedulerMessages += 1;
    link?.send(() => scheduler.received(link, event));
  }

  /** What the scheduler says to this host. */
  onEffect(effect: SchedulerEffect): void {
    const { session } = this.#host;
    if (!session || this.#isOver) return;
    switch (effect.kind) {
      case 'neighbours':
        return this.#host.feed({ kind: 'neighbours', peers: effect.peers });
      case 'lease':
        return session.reader.takeLease(effect.epoch, effect.spans);
      case 'reportHoldings':
        return this.#reportHoldings(effect.holders);
      case 'leaseRevoked':
        return session.reader.loseLease(effect.epoch);
      case 'yieldLease':
        return this.#host.feed({ kind: 'yieldLease', epoch: effect.epoch });
      case 'invite':
        for (const { id } of effect.seeds) this.#world.host(id).start();
        return undefined;
      case 'swarmFailed':
        return this.#host.disk.isFull ? undefined : this.#host.leave();
      case 'deputy':
        session.reader.isDeputy = true;
        return undefined;
      case 'originShare':
        return session.reader.share(effect);
      case 'trust':
      case 'located':
      case 'blobsFound':
        return undefined;
      default:
        return unreachable(effect);
    }
  }

  #reportHoldings(holders: readonly PeerId[]): void {
    const heard = holders.filter((holder) => this.#host.session?.exchange.isUp(holder));
    const { snapshot } = this.#world;
    const held = this.#host.disk.toBytes();
    this.send({ kind: 'holdings', peer: this.#host.info.id, snapshot, held, heard });
  }

  suspect(suspect: PeerId): void {
    this.send({ kind: 'suspect', peer: this.#host.info.id, snapshot: this.#world.snapshot, suspect });
  }

  /** The host changed its side of a partition. */
  follow(): void {
    this.#link?.follow();
  }

  linkLost(link: Link): void {
    if (link !== this.#link) return;
    this.#link = undefined;
    this.#isWelcome = false;
    if (!this.#isOver) this.#retry();
  }

  /** Says that it leaves the swarm; the stream ends when that has arrived. */
  leave(): void {
    this.send({ kind: 'leave', peer: this.#host.info.id, snapshot: this.#world.snapshot });
    const link = this.#link;
    link?.send(() => link.break());
    this.#link = undefined;
  }

  stop(): void {
    this.#link?.break();
    this.#link = undefined;
  }
}
