// One swarm's exchange with its neighbours: opens channels, takes their bitfields, asks for pieces, verifies and stores
// what comes, and answers what they ask for.

import {
  AnaxError,
  Bitfield,
  type PeerId,
  type PeerInfo,
  type PieceProof,
  type ProofFinding,
  type ReaderGrant,
  type Verdict,
} from '../core/index.ts';
import type { PutPiece } from '../dataplane/index.ts';
import { type RequestFailure, Untold } from '../swarm/index.ts';
import { type IncomingMessage, type OutgoingMessage, PeerReject } from '../transport/index.ts';
import { complain } from './complaints.ts';
import { offeredPieces, servablePiece } from './offers.ts';
import type { Channel, ChannelOwner, OpenMessage } from './peer-links.ts';
import { isDiskError, locateTask, type SwarmContext } from './swarm-context.ts';

/** What the exchange leaves to the session's other parts. */
export interface ExchangeHandlers {
  readonly onStored: (piece: number) => void;
  readonly onVerdicts: (verdicts: readonly Verdict[]) => void;
  readonly onGrants: (grants: readonly ReaderGrant[]) => void;
  readonly verdicts: () => Verdict[];
  readonly onDiskError: (error: AnaxError) => void;
}

/** Whether a piece is taken, or why not: its proof is nobody's or false, or its bytes are not those of the proof. */
type Finding = ProofFinding | 'corrupt';

/**
 * A neighbour that owns up to a wrong piece, and drops it, is asked on: a disk that rots is no lie. But only once, and once
 * more for so many good pieces: who always owns up and goes on lying shall not cost much.
 */
const GOOD_FOR_ONE_WRONG = 16;

/** One for all: most requests end so, and a new error costs its stack each time. */
const CANCELLED = new AnaxError('interrupted', 'cancelled');

const REFUSALS = { 'unknown-reader': 'unproven', forged: 'corrupt' } as const;

export class Exchange implements ChannelOwner {
  readonly #context: SwarmContext;
  readonly #handlers: ExchangeHandlers;
  /** The channel that this host asks over, for each neighbour that said what it holds. */
  readonly #up = new Map<PeerId, Channel>();
  readonly #opened = new Set<Channel>();
  /** Channels whose other side was told what this host holds: it must hear of every piece from then on. */
  readonly #told = new Untold<Channel>();
  readonly #requests = new Map<string, AbortController>();
  /** Neighbours that sent a proof which nobody known has signed. */
  readonly #doubted = new Set<PeerId>();
  /** Pieces that came from each neighbour, and wrong ones that it was called to account for. */
  readonly #records = new Map<PeerId, { good: number; wrong: number }>();

  constructor(context: SwarmContext, handlers: ExchangeHandlers) {
    this.#context = context;
    this.#handlers = handlers;
  }

  /** When a neighbour last asked for a piece that is held, in milliseconds of the clock; 0 for never. */
  lastServedMs = 0;

  get neighbours(): number {
    return this.#up.size;
  }

  /** Neighbours that said what they hold. */
  get peers(): PeerId[] {
    return [...this.#up.keys()];
  }

  isUp(peer: PeerId): boolean {
    return this.#up.has(peer);
  }

  async dial(peer: PeerInfo): Promise<void> {
    const { deps, snapshot, map, signal, feed } = this.#context;
    try {
      const link = await deps.links.connect(peer, signal);
      this.#opened.add(deps.links.openChannel(link, this, snapshot.id, map.pieceCount));
    } catch (error) {
      deps.logger.debug('neighbour not reached', { peer: peer.id, host: peer.host, port: peer.port, error });
      // It may have dialled this host meanwhile.
      if (!this.isUp(peer.id)) feed({ kind: 'linkDown', peer: peer.id });
    }
  }

  // What arrives.

  onOpen(channel: Channel, message: OpenMessage): void {
    const { map, deps } = this.#context;
    if (message.pieceCount !== map.pieceCount || this.#context.signal.aborted) {
      channel.link.send({ kind: 'refused', channel: channel.id, code: 'mismatch' });
      deps.links.closeChannel(channel);
      return;
    }
    this.#opened.add(channel);
    this.#sendKnowledge(channel);
    channel.link.send({
      kind: 'opened',
      channel: channel.id,
      bitfield: offeredPieces(this.#context).toBytes(),
    });
    this.#told.begin(channel);
  }

  /** Grants go first, so that the other side can check whatever comes after. */
  #sendKnowledge({ link, id }: Channel): void {
    const grants = this.#context.trust.grants();
    if (grants.length > 0) link.send({ kind: 'grants', channel: id, grants });
    const verdicts = this.#handlers.verdicts();
    if (verdicts.length > 0) link.send({ kind: 'verdicts', channel: id, verdicts });
  }

  onMessage(channel: Channel, message: IncomingMessage): void {
    switch (message.kind) {
      case 'opened':
        this.#sendKnowledge(channel);
        this.#send(channel, {
          kind: 'bitfield',
          channel: channel.id,
          bitfield: offeredPieces(this.#context).toBytes(),
        });
        this.#told.begin(channel);
        return this.#setHoldings(channel, message.bitfield);
      case 'bitfield':
        return this.#setHoldings(channel, message.bitfield);
      case 'have':
        return this.#context.feed({ kind: 'have', peer: channel.peer, pieces: message.pieces });
      case 'grants':
        return this.#handlers.onGrants(message.grants);
      case 'verdicts':
        return this.#handlers.onVerdicts(message.verdicts);
      case 'request':
        return this.#serve(channel, message.piece);
      case 'cancel':
        return this.#context.deps.uploads.cancel(channel.peer, channel.id, message.piece);
      case 'refused':
      case 'close':
        return this.onClosed(channel);
      case 'open':
        return undefined;
    }
  }

  #setHoldings(channel: Channel, bytes: Uint8Array): void {
    const held = Bitfield.fromBytes(this.#context.map.pieceCount, bytes);
    if (!held) {
      void channel.link.close('protocol');
      return;
    }
    if (this.#up.has(channel.peer)) {
      this.#context.feed({ kind: 'have', peer: channel.peer, pieces: [...held.values()] });
      return;
    }
    this.#up.set(channel.peer, channel);
    this.#context.feed({ kind: 'linkUp', peer: channel.peer, held });
  }

  onClosed(channel: Channel): void {
    this.#opened.delete(channel);
    this.#told.end(channel);
    if (this.#up.get(channel.peer) !== channel) {
      if (!this.#up.has(channel.peer)) this.#context.feed({ kind: 'linkDown', peer: channel.peer });
      return;
    }
    this.#up.delete(channel.peer);
    this.#context.feed({ kind: 'linkDown', peer: channel.peer });
  }

  // What this host gives.

  #serve(channel: Channel, piece: number): void {
    const { deps, snapshot, heldBy, viewOf } = this.#context;
    const source = servablePiece(this.#context, piece);
    if (!source) {
      channel.link.send({ kind: 'reject', channel: channel.id, piece, code: 'not-held', retryAfterMs: 0 });
      return;
    }
    this.lastServedMs = deps.clock.now();
    const { peer, link, id } = channel;
    const { sizeBytes } = source;
    const demand = { heldCount: heldBy(peer), view: viewOf(peer, piece) };
    deps.uploads.ask({ peer, channel: id, snapshot: snapshot.id, piece, sizeBytes, link, source, ...demand });
  }

  /** A piece is held: those in `later` hear of it with what they are told next. */
  announce(piece: number, later: ReadonlySet<PeerId>): void {
    if (!servablePiece(this.#context, piece)) return;
    for (const channel of this.#told.add(piece, ({ peer }) => later.has(peer))) this.#tellRest(channel);
  }

  announceRest(): void {
    for (const channel of this.#told.channels) this.#tellRest(channel);
  }

  #tellRest(channel: Channel): void {
    const pieces = this.#told.take(channel);
    if (pieces.length > 0) this.#send(channel, { kind: 'have', channel: channel.id, pieces });
  }

  /** Says anew what this host can give, after more became provable. */
  reannounce(): void {
    const bitfield = offeredPieces(this.#context).toBytes();
    for (const channel of this.#told.channels) {
      this.#told.begin(channel);
      this.#send(channel, { kind: 'bitfield', channel: channel.id, bitfield });
    }
  }

  broadcast(message: (channel: Channel) => OutgoingMessage): void {
    for (const channel of this.#opened) this.#send(channel, message(channel));
  }

  #send(channel: Channel, message: OutgoingMessage): void {
    channel.link.send(message);
  }

  // What this host takes.

  async request(peer: PeerId, piece: number): Promise<void> {
    const channel = this.#up.get(peer);
    if (!channel) {
      this.#fail(peer, piece, 'error');
      return;
    }
    const key = `${peer}/${piece}`;
    const abort = new AbortController();
    this.#requests.set(key, abort);
    this.#tellRest(channel);
    try {
      await this.#receive(channel, piece, abort.signal);
    } catch (error) {
      this.#explainFailure(peer, piece, error, abort.signal);
    } finally {
      if (this.#requests.get(key) === abort) this.#requests.delete(key);
    }
  }

  cancel(peer: PeerId, piece: number): void {
    this.#requests.get(`${peer}/${piece}`)?.abort(CANCELLED);
  }

  async #receive(channel: Channel, piece: number, signal: AbortSignal): Promise<void> {
    const { peer, link, id } = channel;
    const { map, trust } = this.#context;
    const { blob, index, sizeBytes } = map.locate(piece);
    let finding = 'good' as Finding;
    const outcome = await link.fetchPiece({
      channel: id,
      piece,
      sizeBytes,
      signal,
      terms: trust.termsFor(blob, index),
      onBegun: (proof, found) => {
        this.#context.feed({ kind: 'begun', peer, piece });
        // Its signer may have become known after the piece was asked for.
        const isKnown = found === 'good' || found === 'forged';
        finding = isKnown ? found : trust.judge(blob, index, proof);
        return finding === 'good';
      },
      land: (proof, put) => this.#store(peer, piece, proof, put),
    });
    if (outcome === 'landed') return;
    if (outcome === 'corrupt') finding = 'corrupt';
    this.#complain(channel, piece, finding);
    if (finding === 'corrupt') return await this.#callToAccount(channel, piece);
    if (finding !== 'good') this.#fail(peer, piece, REFUSALS[finding]);
  }

  /** Another neighbour may have been quicker; the machine is told all the same, since it waits for this request. */
  async #store(peer: PeerId, piece: number, proof: PieceProof, put: PutPiece): Promise<void> {
    const { counters, feed, map } = this.#context;
    const { task, index } = locateTask(this.#context, piece);
    this.#recordOf(peer).good += 1;
    if (task.status === 'failed') return;
    await task.open.fill(index, proof, async (place) => {
      await put(place);
      counters.fromPeers += map.sizeOf(piece);
    });
    feed({ kind: 'stored', piece, from: peer });
    this.#handlers.onStored(piece);
  }

  /** A true proof with other bytes: the sender's disk may have rotted. */
  async #callToAccount({ peer, link }: Channel, piece: number): Promise<void> {
    const { snapshot, signal } = this.#context;
    const record = this.#recordOf(peer);
    const isForgivable = record.wrong * GOOD_FOR_ONE_WRONG <= record.good;
    record.wrong += 1;
    const ownsUp = isForgivable && (await complain(link, snapshot.id, piece, signal));
    this.#fail(peer, piece, ownsUp ? 'not-held' : 'corrupt');
  }

  #recordOf(peer: PeerId): { good: number; wrong: number } {
    const record = this.#records.get(peer) ?? { good: 0, wrong: 0 };
    this.#records.set(peer, record);
    return record;
  }

  /** Once a peer for what its proof's signer may explain: it may be a reader that this host has not heard of. */
  #complain({ peer, link }: Channel, piece: number, finding: Finding): void {
    if (finding === 'unknown-reader' && this.#doubted.has(peer)) return;
    if (finding === 'unknown-reader') this.#doubted.add(peer);
    const message = finding === 'unknown-reader' ? 'peer served unproven bytes' : 'peer served wrong bytes';
    const { snapshot, deps } = this.#context;
    deps.logger.warn(message, { peer, host: link.remote.host, piece, snapshot: snapshot.id });
  }

  #explainFailure(peer: PeerId, piece: number, error: unknown, cancelled: AbortSignal): void {
    if (cancelled.aborted || this.#context.signal.aborted) return;
    if (isDiskError(error)) this.#handlers.onDiskError(error);
    if (!(error instanceof PeerReject)) return this.#fail(peer, piece, 'error');
    const { reason, retryAfterMs } = error;
    const known = reason === 'busy' || reason === 'not-held' ? reason : 'error';
    return this.#fail(peer, piece, known, retryAfterMs ?? 0);
  }

  #fail(peer: PeerId, piece: number, reason: RequestFailure, retryAfterMs = 0): void {
    this.#context.feed({ kind: 'requestFailed', peer, piece, reason, retryAfterMs });
  }

  stop(): void {
    for (const abort of this.#requests.values()) abort.abort();
    for (const channel of this.#opened) this.#context.deps.links.closeChannel(channel);
    this.#opened.clear();
    this.#told.clear();
    this.#up.clear();
  }
}
