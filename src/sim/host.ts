// A simulated host: a disk, a link, and a session that drives the swarm machine as src/daemon/swarm-session.ts does. It
// can crash, come back with its disk, run out of room, lie.

import { Bitfield, type PeerId, type PeerInfo } from '../core/index.ts';
import { hashOf, type SwarmEffect, type SwarmEvent } from '../swarm/index.ts';
import { Pipe } from './flows.ts';
import type { Link, LinkNode } from './link.ts';
import { PIECE_BYTES } from './options.ts';
import { SimReader } from './reader.ts';
import { Session } from './session.ts';
import type { World, Zone } from './world.ts';

/** As in src/daemon/swarm-session.ts. */
const TICK_MS = 250;

export interface HostFacts {
  readonly index: number;
  readonly zone: Zone;
  readonly bytesPerMs: number;
  readonly isSlow: boolean;
  readonly isFast: boolean;
}

export class SimHost implements LinkNode {
  readonly info: PeerInfo;
  readonly index: number;
  /** Of its id, as the machines have it. */
  readonly idHash: number;
  readonly zone: Zone;
  /** Whether its link has a part of the others' rate only. */
  readonly isSlow: boolean;
  /** Whether it has several times their rate. */
  readonly isFast: boolean;
  readonly up: Pipe;
  readonly down: Pipe;
  /** Pieces on disk. */
  readonly disk: Bitfield;
  session: Session | undefined;
  isCutOff = false;
  isLiar = false;
  isDiskFull = false;
  /** How far its time of day is off. A daemon goes by what it was when it started, as src/system/steady-clock.ts has it. */
  clockErrorMs = 0;
  finishedMs: number | undefined;
  readonly reader: SimReader | undefined;
  sentBytes = 0;
  crossZoneBytes = 0;
  #diskFreeAtMs = 0;
  readonly #world: World;

  constructor(world: World, { index, zone, bytesPerMs, isSlow, isFast }: HostFacts) {
    this.#world = world;
    this.index = index;
    this.zone = zone;
    this.isSlow = isSlow;
    this.isFast = isFast;
    this.up = new Pipe(bytesPerMs);
    this.down = new Pipe(bytesPerMs);
    this.disk = new Bitfield(world.map.pieceCount);
    this.info = {
      id: index.toString(16).padStart(32, '0') as PeerId,
      publicKey: new Uint8Array(32),
      host: `sim-${index}`,
      port: index + 1,
      role: index < world.options.seeds ? 'seed' : 'peer',
      zone: zone.name,
      hostname: `host-${index}`,
      version: 'sim',
    };
    this.idHash = hashOf(this.info.id);
    const isReader = index >= world.options.seeds && index < world.options.seeds + world.options.readers;
    this.reader = isReader ? new SimReader(world, this) : undefined;
  }

  /** Has everything on disk, as after a download of before. */
  fill(): void {
    for (let piece = 0; piece < this.disk.length; piece += 1) this.disk.add(piece);
  }

  /** Starts the daemon and its download, with what is on disk. */
  start(): void {
    if (this.session) return;
    const session = new Session(this.#world, this);
    this.session = session;
    session.attendance.start();
    this.reader?.start();
    if (this.info.role === 'seed') this.#readInOrder();
    this.#tick(session);
    this.#noteCompletion();
  }

  #tick(session: Session): void {
    if (this.session !== session) return;
    this.feed({ kind: 'tick' });
    session.succession.tick();
    this.#world.agenda.after(TICK_MS, () => this.#tick(session));
  }

  /** Who asked it to take part has told it of the readers, as src/daemon/resolver.ts does. */
  #readInOrder(): void {
    if (this.#world.options.readers === 0) return;
    this.feed({ kind: 'reader', id: 0, pieces: { start: 0, end: this.disk.length } });
  }

  #look(session: Session): void {
    if (this.session === session) this.feed({ kind: 'look' });
  }

  /** The process is gone without a word. */
  crash(): void {
    const { session } = this;
    this.session = undefined;
    this.#world.inboxes.close(this.index);
    session?.reader.stop();
    session?.exchange.stop();
    session?.attendance.stop();
    if (session) this.#world.checks.ended(session);
  }

  /** The download failed: the host leaves the swarm, as a daemon does when its last download of it ended. */
  leave(): void {
    this.session?.attendance.leave();
    this.crash();
  }

  linkDisturbed(): void {
    if (this.session) this.session.exchange.isCalm = false;
  }

  linkLost(link: Link): void {
    this.session?.exchange.linkLost(link);
    this.session?.attendance.linkLost(link);
  }

  feed(event: SwarmEvent): void {
    const { session } = this;
    if (!session) return;
    for (const effect of session.step(event)) if (this.session === session) this.#carryOut(session, effect);
  }

  #carryOut(session: Session, effect: SwarmEffect): void {
    switch (effect.kind) {
      case 'dial':
        return session.exchange.dial(this.#world.host(effect.peer.id));
      case 'request':
        this.#world.checks.requested(this, session, effect.peer);
        return session.exchange.request(effect.peer, effect.piece);
      case 'cancel':
        return session.exchange.cancel(effect.peer, effect.piece);
      case 'announce':
        this.#world.checks.announced(this, effect.piece);
        return session.exchange.announce(effect.piece, effect.later);
      case 'announceRest':
        return session.exchange.announceRest();
      case 'ban':
        session.exchange.ban(effect.peer);
        return session.attendance.suspect(effect.peer);
      case 'read':
        return session.reader.read(effect.readId, effect.pieces);
      case 'look':
        this.#world.agenda.after(effect.afterMs, () => this.#look(session));
        return;
      case 'seek':
        return session.attendance.join();
      case 'shortenRead':
        return session.reader.shorten(effect.readId, effect.end);
      case 'leaseYielded':
      case 'leaseProgress': {
        const { snapshot } = this.#world;
        return session.attendance.send({ ...effect, snapshot, peer: this.info.id });
      }
      case 'paceReads':
        return session.reader.setPace(effect.pace);
      case 'leaseDone':
        return session.reader.leaseDone(effect.epoch, effect.error);
    }
  }

  /** Writes a received piece, one after another, and tells the machine; `then` is called when it is on disk. */
  store(piece: number, from: PeerId | 'origin', then: () => void = () => {}): void {
    const { session } = this;
    const { agenda, options } = this.#world;
    const takesMs = (PIECE_BYTES * 1000) / options.diskBytesPerSecond;
    this.#diskFreeAtMs = Math.max(this.#diskFreeAtMs, agenda.nowMs) + takesMs;
    agenda.at(this.#diskFreeAtMs, () => {
      if (this.session !== session || !session) return;
      if (this.isDiskFull) return this.leave();
      this.disk.add(piece);
      this.#world.trace.note(piece, this.index);
      this.feed({ kind: 'stored', piece, from });
      this.#world.checks.stored(this, session);
      this.#noteCompletion();
      this.reader?.look();
      then();
    });
  }

  #noteCompletion(): void {
    if (!this.disk.isFull || !this.#world.unfinished.delete(this)) return;
    this.finishedMs ??= this.#world.agenda.nowMs;
  }
}
