// A host's exchange with its neighbours, as src/daemon/exchange.ts and peer-links.ts do it: links, channels, bitfields,
// requests. Proofs are left out: a corrupt piece is known for one.

import type { PeerId } from '../core/index.ts';
import type { SwarmEvent } from '../swarm/index.ts';
import type { SimHost } from './host.ts';
import type { Link } from './link.ts';
import { PIECE_BYTES } from './options.ts';
import { Uploads } from './uploads.ts';
import type { World } from './world.ts';

/** A dial into nowhere fails after this: transport's `connectTimeoutMs`. */
const DIAL_TIMEOUT_MS = 5_000;

/** One swarm on a link; the dialler has opened it. */
export interface Channel {
  readonly id: number;
  readonly link: Link;
  readonly dialler: SimHost;
  readonly acceptor: SimHost;
}

export function otherEnd(channel: Channel, host: SimHost): SimHost {
  return channel.dialler === host ? channel.acceptor : channel.dialler;
}

export class Exchange {
  readonly links = new Map<SimHost, Link>();
  readonly uploads: Uploads;
  readonly banned = new Set<SimHost>();
  readonly #world: World;
  readonly #host: SimHost;
  readonly #up = new Map<PeerId, Channel>();
  /** Channels whose other side was told what this host holds. */
  readonly #told = new Set<Channel>();
  readonly #channels = new Set<Channel>();
  /** Pieces asked of each neighbour and neither here nor cancelled. */
  readonly #requests = new Map<SimHost, Set<number>>();

  constructor(world: World, host: SimHost) {
    this.#world = world;
    this.#host = host;
    this.uploads = new Uploads(world, host);
  }

  /** Neighbours that said what they hold. */
  get peers(): PeerId[] {
    return [...this.#up.keys()];
  }

  isUp(peer: PeerId): boolean {
    return this.#up.has(peer);
  }

  /** Whether this is still the host's running exchange. */
  get #isOver(): boolean {
    return this.#host.session?.exchange !== this;
  }

  // Links and channels.

  dial(other: SimHost): void {
    const known = this.links.get(other);
    if (known) return this.#openChannel(other, known);
    const { agenda } = this.#world;
    const isCut = this.#host.isCutOff !== other.isCutOff;
    const takesMs = isCut ? DIAL_TIMEOUT_MS : 3 * this.#world.latencyMs(this.#host, other);
    agenda.after(takesMs, () => {
      if (this.#isOver) return;
      const link = isCut ? undefined : (this.links.get(other) ?? this.#connect(other));
      if (link) this.#openChannel(other, link);
      // It may have dialled this host meanwhile.
      else if (!this.isUp(other.info.id)) this.#host.feed({ kind: 'linkDown', peer: other.info.id });
    });
  }

  #connect(other: SimHost): Link | undefined {
    const remote = other.session?.exchange;
    if (!remote || this.banned.has(other) || remote.banned.has(this.#host)) return undefined;
    const link = this.#world.connect(this.#host, other, this.#world.latencyMs(this.#host, other));
    this.links.set(other, link);
    remote.links.set(this.#host, link);
    return link;
  }

  #openChannel(acceptor: SimHost, link: Link): void {
    const channel: Channel = { id: this.#world.nextChannelId(), link, dialler: this.#host, acceptor };
    this.#channels.add(channel);
    link.send(() => acceptor.session?.exchange.onOpen(channel));
  }

  onOpen(channel: Channel): void {
    this.#channels.add(channel);
    const held = this.#host.disk.clone();
    channel.link.send(() => channel.dialler.session?.exchange.onOpened(channel, held));
    this.#told.add(channel);
  }

  onOpened(channel: Channel, acceptorHeld: SimHost['disk']): void {
    const held = this.#host.disk.clone();
    channel.link.send(() => channel.acceptor.session?.exchange.setHoldings(channel, held));
    this.#told.add(channel);
    this.setHoldings(channel, acceptorHeld);
  }

  setHoldings(channel: Channel, held: SimHost['disk']): void {
    const peer = otherEnd(channel, this.#host).info.id;
    if (this.#up.has(peer)) return this.#host.feed({ kind: 'have', peer, pieces: [...held.values()] });
    this.#up.set(peer, channel);
    this.#host.feed({ kind: 'linkUp', peer, held });
  }

  linkLost(link: Link): void {
    const other = link.ends[0] === this.#host ? link.ends[1] : link.ends[0];
    for (const [host, known] of this.links) if (known === link) this.links.delete(host);
    for (const channel of this.#channels) if (channel.link === link) this.#closed(channel);
    for (const host of this.#requests.keys()) if (host === other) this.#requests.delete(host);
    this.uploads.forget(link);
  }

  #closed(channel: Channel): void {
    this.#channels.delete(channel);
    this.#told.delete(channel);
    const peer = otherEnd(channel, this.#host).info.id;
    const current = this.#up.get(peer);
    if (current !== undefined && current !== channel) return;
    this.#up.delete(peer);
    this.#host.feed({ kind: 'linkDown', peer });
  }

  ban(peer: PeerId): void {
    const liar = this.#world.host(peer);
    this.banned.add(liar);
    this.links.get(liar)?.break();
  }

  // What this host gives.

  /** Told in one go to all whose links are alike: 500,000 pieces times 25 neighbours would be too many entries. */
  announce(piece: number): void {
    const { agenda, latenciesMs } = this.#world;
    const event = { kind: 'have', peer: this.#host.info.id, pieces: [piece] } as const;
    for (const latencyMs of latenciesMs) {
      agenda.pass(latencyMs, () => {
        for (const channel of this.#told) {
          if (channel.link.latencyMs === latencyMs) this.#tell(channel, event);
        }
      });
    }
  }

  #tell(channel: Channel, event: SwarmEvent): void {
    const { link } = channel;
    const other = otherEnd(channel, this.#host);
    if (link.isOpen) other.feed(event);
    else if (link.isPlain) link.arrive(() => other.feed(event));
    else link.send(() => other.feed(event));
  }

  // What this host takes.

  request(peer: PeerId, piece: number): void {
    const channel = this.#up.get(peer);
    if (!channel) return this.#failed(peer, piece, 'error');
    const parent = otherEnd(channel, this.#host);
    const asked = this.#requests.get(parent) ?? new Set();
    this.#requests.set(parent, asked.add(piece));
    channel.link.send(() => parent.session?.exchange.onRequest(channel, piece));
  }

  onRequest(channel: Channel, piece: number): void {
    if (this.#host.disk.has(piece) && this.#channels.has(channel)) this.uploads.ask(channel, piece);
    else this.reject(channel, piece, 'not-held', 0);
  }

  reject(channel: Channel, piece: number, reason: 'busy' | 'not-held', retryAfterMs: number): void {
    const child = otherEnd(channel, this.#host);
    const peer = this.#host.info.id;
    channel.link.send(() => child.session?.exchange.onRejected(peer, piece, reason, retryAfterMs));
  }

  onRejected(peer: PeerId, piece: number, reason: 'busy' | 'not-held', retryAfterMs: number): void {
    if (!this.#requests.get(this.#world.host(peer))?.delete(piece)) return;
    this.#host.feed({ kind: 'requestFailed', peer, piece, reason, retryAfterMs });
  }

  cancel(peer: PeerId, piece: number): void {
    const parent = this.#world.host(peer);
    const channel = this.#up.get(peer);
    if (!this.#requests.get(parent)?.delete(piece) || !channel) return;
    channel.link.send(() => parent.session?.exchange.uploads.cancel(channel, piece));
  }

  onBegun(parent: SimHost, piece: number): void {
    if (!this.#requests.get(parent)?.has(piece)) return;
    this.#host.feed({ kind: 'begun', peer: parent.info.id, piece });
  }

  /** A whole piece is here. One that was cancelled meanwhile is dropped. */
  onPiece(parent: SimHost, piece: number, isCorrupt: boolean): void {
    if (!this.#requests.get(parent)?.delete(piece)) {
      this.#world.checks.wastedBytes += PIECE_BYTES;
      return;
    }
    if (isCorrupt) this.#failed(parent.info.id, piece, 'corrupt');
    else this.#host.store(piece, parent.info.id);
  }

  #failed(peer: PeerId, piece: number, reason: 'corrupt' | 'error'): void {
    this.#host.feed({ kind: 'requestFailed', peer, piece, reason, retryAfterMs: 0 });
  }

  stop(): void {
    this.uploads.stop();
    for (const link of this.links.values()) link.break();
    this.links.clear();
    this.#channels.clear();
    this.#told.clear();
  }
}
