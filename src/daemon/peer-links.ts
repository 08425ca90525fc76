// The links of this host to other daemons, one a pair where possible: dials, accepts, keeps them by peer id, and hands
// what arrives to the swarm that its channel belongs to.

import { AnaxError, abortable, hasCode, type PeerId, type PeerInfo, type SnapshotId } from '../core/index.ts';
import {
  type DataLink,
  type DataLinkHandlers,
  DataPlane,
  type DataPlaneOptions,
} from '../dataplane/index.ts';
import type { IncomingMessage, LinkEnd } from '../transport/index.ts';

/** The remote asks for a channel. */
export type OpenMessage = Extract<IncomingMessage, { kind: 'open' }>;

/** Links of this host; beyond it new ones are closed. */
const MAX_LINKS = 1024;
/** Links with one remote address: several daemons may stand behind one, as on a test machine or behind NAT. */
const MAX_LINKS_PER_HOST = 256;

/** One channel of one link, as a swarm sees it. */
export interface Channel {
  readonly peer: PeerId;
  readonly link: DataLink;
  readonly id: number;
}

/** A swarm of this host, as the links see it. */
export interface ChannelOwner {
  /** The remote opened a channel; the answer has this host's bitfield, or the channel is refused. */
  onOpen(channel: Channel, message: OpenMessage): void;
  onMessage(channel: Channel, message: IncomingMessage): void;
  onClosed(channel: Channel): void;
}

export type CallHandler = (
  method: string,
  body: Uint8Array,
  peer: PeerId,
  signal: AbortSignal,
) => Promise<Uint8Array>;

export interface PeerLinksOptions
  extends Pick<
    DataPlaneOptions,
    'identity' | 'logger' | 'workers' | 'createHasher' | 'tls' | 'uploadRate' | 'downloadRate'
  > {
  /** Finds (or wakes) the swarm that a remote asks for; `undefined` where this host has no part in it. */
  readonly ownerOf: (snapshot: SnapshotId) => Promise<ChannelOwner | undefined>;
  /** Answers the calls of other daemons. */
  readonly call: CallHandler;
  readonly onPeerGone: (peer: PeerId) => void;
}

export class PeerLinks {
  readonly #options: PeerLinksOptions;
  readonly #links = new Map<PeerId, DataLink>();
  readonly #dials = new Map<PeerId, Promise<DataLink>>();
  readonly #owners = new Map<DataLink, Map<number, { owner: ChannelOwner; channel: Channel }>>();
  readonly #banned = new Set<PeerId>();
  readonly #stopping = new AbortController();
  readonly #plane: DataPlane;

  constructor(options: PeerLinksOptions) {
    this.#options = options;
    this.#plane = new DataPlane({
      ...options,
      limits: { maxLinks: MAX_LINKS, maxLinksPerHost: MAX_LINKS_PER_HOST },
      attach: (link) => this.#adopt(link),
    });
  }

  /** Accepts links; returns the port. */
  async listen(host: string, port: number): Promise<number> {
    return await this.#plane.listen(host, port);
  }

  /** See `DataPlane.bulkGet`. */
  bulkGet(...request: Parameters<DataPlane['bulkGet']>): ReturnType<DataPlane['bulkGet']> {
    return this.#plane.bulkGet(...request);
  }

  get count(): number {
    return this.#owners.size;
  }

  has(peer: PeerId): boolean {
    return this.#links.has(peer);
  }

  isBanned(peer: PeerId): boolean {
    return this.#banned.has(peer);
  }

  /** The link to a peer: the one there is, or a new one. */
  async connect(peer: PeerInfo, signal: AbortSignal): Promise<DataLink> {
    if (this.#banned.has(peer.id)) throw new AnaxError('peer_refused', 'the peer served wrong bytes before');
    const known = this.#links.get(peer.id);
    if (known) return known;
    const running = this.#dials.get(peer.id) ?? this.#dial(peer);
    this.#dials.set(peer.id, running);
    return abortable(running, signal);
  }

  /** The link to a peer, if there is one. */
  linked(peer: PeerId): DataLink | undefined {
    return this.#links.get(peer);
  }

  async #dial(peer: PeerInfo): Promise<DataLink> {
    try {
      const { id: expectedPeerId, host, port } = peer;
      return await this.#plane.dial({ host, port, expectedPeerId }, this.#stopping.signal);
    } finally {
      this.#dials.delete(peer.id);
    }
  }

  #adopt(link: DataLink): DataLinkHandlers {
    const { peerId } = link.remote;
    this.#owners.set(link, new Map());
    if (!this.#links.has(peerId)) this.#links.set(peerId, link);
    void link.closed.then((end) => this.#lost(link, end));
    if (this.#banned.has(peerId) || this.#stopping.signal.aborted) void link.close('done');
    return {
      onMessage: (message) => this.#route(link, message),
      onCall: (method, body, { signal }) => this.#options.call(method, body, peerId, signal),
    };
  }

  #lost(link: DataLink, end: LinkEnd): void {
    const { peerId, host } = link.remote;
    if (hasCode(end.error, 'peer_protocol') && !this.#banned.has(peerId)) {
      this.#options.logger.warn('link ended', { peer: peerId, host, by: end.by, reason: end.error.message });
    }
    const channels = this.#owners.get(link);
    this.#owners.delete(link);
    if (this.#links.get(peerId) === link) this.#replace(peerId);
    for (const { owner, channel } of channels?.values() ?? []) owner.onClosed(channel);
    if (!this.#links.has(peerId)) this.#options.onPeerGone(peerId);
  }

  #replace(peer: PeerId): void {
    this.#links.delete(peer);
    for (const other of this.#owners.keys()) if (other.remote.peerId === peer) this.#links.set(peer, other);
  }

  #route(link: DataLink, message: IncomingMessage): void {
    if (message.kind === 'open') {
      void this.#open(link, message);
      return;
    }
    const entry = this.#owners.get(link)?.get(message.channel);
    entry?.owner.onMessage(entry.channel, message);
    if (message.kind === 'close' || message.kind === 'refused')
      this.#owners.get(link)?.delete(message.channel);
  }

  async #open(link: DataLink, message: OpenMessage): Promise<void> {
    const owner = await this.#options.ownerOf(message.snapshot).catch(() => undefined);
    const table = this.#owners.get(link);
    if (!table) return;
    if (!owner) {
      link.send({ kind: 'refused', channel: message.channel, code: 'unknown-snapshot' });
      return;
    }
    const channel: Channel = { peer: link.remote.peerId, link, id: message.channel };
    table.set(message.channel, { owner, channel });
    owner.onOpen(channel, message);
  }

  /** Opens a channel for a swarm; what the remote answers goes to the owner. */
  openChannel(link: DataLink, owner: ChannelOwner, snapshot: SnapshotId, pieceCount: number): Channel {
    const table = this.#owners.get(link);
    if (!table) throw new AnaxError('peer_refused', 'the link is gone');
    const id = link.open({ snapshot, pieceCount, ticket: new Uint8Array() });
    const channel: Channel = { peer: link.remote.peerId, link, id };
    table.set(id, { owner, channel });
    return channel;
  }

  closeChannel(channel: Channel): void {
    if (this.#owners.get(channel.link)?.delete(channel.id)) {
      channel.link.send({ kind: 'close', channel: channel.id });
    }
  }

  /** Closes every link to a peer and takes no more: it served wrong bytes. */
  ban(peer: PeerId): void {
    this.#banned.add(peer);
    for (const link of this.#owners.keys()) if (link.remote.peerId === peer) void link.close('protocol');
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#plane.stop();
  }
}
