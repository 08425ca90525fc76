// A host's exchange with its neighbours, as src/daemon/exchange.ts and peer-links.ts do it: links, channels, bitfields,
// requests. Proofs are left out: a corrupt piece is known for one.

import type { Bitfield, PeerId } from '../core/index.ts';
import { type SwarmEvent, Untold } from '../swarm/index.ts';
import type { SimHost } from './host.ts';
import type { Link } from './link.ts';
import { PIECE_BYTES } from './options.ts';
import { Uploads } from './uploads.ts';
import type { World } from './world.ts';

/** A dial into nowhere fails after this: transport's `connectTimeoutMs`. */
const DIAL_TIMEOUT_MS = 5_000;

type Have = Extract<SwarmEvent, { kind: 'have' }>;

/** One host's end of a swarm on a link; the dialler has opened it. */
export class Channel {
  readonly id: number;
  readonly link: Link;
  /** Whose end it is; none where the host is gone. */
  readonly exchange: Exchange | undefined;
  /** The host at the other end. */
  readonly other: SimHost;
  /** The other end. */
  readonly twin: Channel;
  isOpen = false;
  /** Pieces asked of the other end and neither here nor cancelled. */
  readonly asked: number[] = [];

  constructor(id: number, link: Link, host: SimHost, other: SimHost, twin?: Channel) {
    this.id = id;
    this.link = link;
    this.exchange = host.session?.exchange;
    this.other = other;
    this.twin = twin ?? new Channel(id, link, other, host, this);
  }
}

export class Exchange {
  readonly links = new Map<SimHost, Link>();
  readonly uploads: Uploads;
  readonly banned = new Set<SimHost>();
  readonly #world: World;
  readonly #host: SimHost;
  readonly #up = new Map<PeerId, Channel>();
  /** Channels whose other side was told what this host holds. */
  readonly #told = new Untold<Channel>();
  /** Whether no link of this host has ever been disturbed. */
  isCalm = true;
  readonly #channels = new Set<Channel>();

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
    const channel = new Channel(this.#world.nextChannelId(), link, this.#host, acceptor);
    this.#open(channel);
    link.send(() => channel.twin.exchange?.onOpen(channel.twin));
  }

  #open(channel: Channel): void {
    channel.isOpen = true;
    this.#channels.add(channel);
  }

  onOpen(channel: Channel): void {
    this.#open(channel);
    this.#tellHoldings(channel, (held) => channel.twin.exchange?.onOpened(channel.twin, held));
  }

  onOpened(channel: Channel, held: Bitfield): void {
    this.#tellHoldings(channel, (own) => channel.twin.exchange?.setHoldings(channel.twin, own));
    this.setHoldings(channel, held);
  }

  #tellHoldings(channel: Channel, take: (held: Bitfield) => void): void {
    const held = this.#host.disk.clone();
    channel.link.send(() => take(held));
    this.#told.begin(channel);
  }

  setHoldings(channel: Channel, held: Bitfield): void {
    const peer = channel.other.info.id;
    if (this.#up.has(peer)) return this.#host.feed({ kind: 'have', peer, pieces: [...held.values()] });
    this.#up.set(peer, channel);
    this.#host.feed({ kind: 'linkUp', peer, held });
  }

  linkLost(link: Link): void {
    for (const [host, known] of this.links) if (known === link) this.links.delete(host);
    for (const channel of this.#channels) if (channel.link === link) this.#closed(channel);
    this.uploads.forget(link);
  }

  #closed(channel: Channel): void {
    channel.isOpen = false;
    channel.asked.length = 0;
    this.#channels.delete(channel);
    this.#told.end(channel);
    const peer = channel.other.info.id;
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

  announce(piece: number, later: ReadonlySet<PeerId>): void {
    this.#tell(this.#told.add(piece, ({ other }) => later.has(other.info.id)));
  }

  announceRest(): void {
    this.#tell(this.#told.channels);
  }

  /** In one go for all whose links are alike: 500,000 pieces times 25 neighbours would be too many entries. */
  #tell(channels: readonly Channel[]): void {
    const { agenda, checks, latenciesMs } = this.#world;
    const peer = this.#host.info.id;
    const news = channels
      .map((channel) => ({
        channel,
        event: { kind: 'have', peer, pieces: this.#told.take(channel) } satisfies Have,
      }))
      .filter(({ event }) => event.pieces.length > 0);
    checks.messages.have += news.length;
    for (const latencyMs of latenciesMs) {
      const alike = news.filter(({ channel }) => channel.link.latencyMs === latencyMs);
      if (alike.length === 0) continue;
      agenda.pass(latencyMs, () => {
        for (const { channel, event } of alike) if (this.#told.has(channel)) this.#deliver(channel, event);
      });
    }
  }

  #deliver({ link, other }: Channel, event: Have): void {
    // Where all is calm there is no need to look at the link.
    if (this.isCalm || link.isOpen) this.#leave(other, event);
    else if (link.isPlain) link.arrive(() => other.feed(event));
    else link.send(() => other.feed(event));
  }

  #leave(other: SimHost, event: Have): void {
    const { agenda, inboxes } = this.#world;
    const { index, idHash } = this.#host;
    const { pieces } = event;
    const left = pieces.findIndex((piece) => !inboxes.put(other.index, index, idHash, piece, agenda.nowMs));
    if (left >= 0) other.feed({ ...event, pieces: pieces.slice(left) });
  }

  // What this host takes.

  request(peer: PeerId, piece: number): void {
    const channel = this.#up.get(peer);
    if (!channel) return this.#failed(peer, piece, 'error');
    const { link, asked, twin } = channel;
    this.#world.checks.messages.request += 1;
    if (!asked.includes(piece)) asked.push(piece);
    this.#tell([channel]);
    link.send(() => twin.exchange?.onRequest(twin, piece));
  }

  onRequest(channel: Channel, piece: number): void {
    if (this.#host.disk.has(piece) && channel.isOpen) this.uploads.ask(channel, piece);
    else this.reject(channel, piece, 'not-held', 0);
  }

  reject({ link, twin }: Channel, piece: number, reason: 'busy' | 'not-held', retryAfterMs: number): void {
    link.send(() => twin.exchange?.onRejected(twin, piece, reason, retryAfterMs));
  }

  onRejected(channel: Channel, piece: number, reason: 'busy' | 'not-held', retryAfterMs: number): void {
    if (!remove(channel.asked, piece)) return;
    this.#host.feed({ kind: 'requestFailed', peer: channel.other.info.id, piece, reason, retryAfterMs });
  }

  cancel(peer: PeerId, piece: number): void {
    const channel = this.#up.get(peer);
    if (!channel || !remove(channel.asked, piece)) return;
    const { link, twin } = channel;
    this.#world.checks.messages.cancel += 1;
    link.send(() => twin.exchange?.uploads.cancel(twin, piece));
  }

  onBegun(channel: Channel, piece: number): void {
    if (channel.asked.includes(piece)) this.#host.feed({ kind: 'begun', peer: channel.other.info.id, piece });
  }

  /** A whole piece is here. One that was cancelled meanwhile is dropped. */
  onPiece(channel: Channel, piece: number, isCorrupt: boolean): void {
    const peer = channel.other.info.id;
    if (!remove(channel.asked, piece)) this.#world.checks.wastedBytes += PIECE_BYTES;
    else if (isCorrupt) this.#failed(peer, piece, 'corrupt');
    else this.#host.store(piece, peer);
  }

  #failed(peer: PeerId, piece: number, reason: 'corrupt' | 'error'): void {
    this.#host.feed({ kind: 'requestFailed', peer, piece, reason, retryAfterMs: 0 });
  }

  stop(): void {
    this.uploads.stop();
    for (const link of this.links.values()) link.break();
    this.links.clear();
    for (const channel of this.#channels) channel.isOpen = false;
    this.#channels.clear();
    this.#told.clear();
  }
}

/** Takes an item out; whether it was in. */
function remove<Item>(items: Item[], item: Item): boolean {
  const at = items.indexOf(item);
  if (at < 0) return false;
  items.splice(at, 1);
  return true;
}
