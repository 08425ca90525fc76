// The engine: store, links, sources, scheduler link and sessions put together. The daemon serves its control over a
// socket; `dfget` without a daemon runs it in its own process. Both see the same ControlApi.

import {
  AnaxError,
  type BlobKey,
  type BlobStore,
  type Clock,
  type Credentials,
  type Digest,
  type Identity,
  type Logger,
  type OriginRef,
  type PeerId,
  type PeerInfo,
  type PieceHash,
  type PieceHasher,
  type Random,
  type SnapshotId,
  type Source,
  type StoredSnapshot,
} from '../core/index.ts';
import { createLocalIntakes, type DataPlane } from '../dataplane/index.ts';
import type { JoinFacts, SchedulerLink } from '../scheduler-server/index.ts';
import type { SourceRegistry } from '../sources/index.ts';
import { type PeerTls, RateGate } from '../transport/index.ts';
import { COMPLAINT_METHOD, Complaints } from './complaints.ts';
import { Control, type ControlOptions } from './control.ts';
import { HeldBlobs } from './held-blobs.ts';
import { Lender } from './lender.ts';
import { OriginBudgets, originOf } from './origin-budget.ts';
import { type ChannelOwner, PeerLinks } from './peer-links.ts';
import { Repairs } from './repairs.ts';
import { Resolver } from './resolver.ts';
import { Sessions } from './sessions.ts';
import { Slots } from './slots.ts';
import { snapshotOfCall } from './succession.ts';
import type { SessionDeps } from './swarm-context.ts';
import type { SwarmSession } from './swarm-session.ts';
import { TrafficRates } from './traffic-rates.ts';
import { Turns } from './turns.ts';
import { Uploads } from './uploads.ts';

/** Pieces from lenders of blobs on their way at once, over all swarms. */
const MAX_BORROWED_PIECES = 16;

export interface EngineDeps {
  readonly identity: Identity;
  readonly store: BlobStore & { stop(): Promise<void> };
  readonly hash: PieceHash;
  /** For pieces as they arrive. */
  readonly createHasher: () => PieceHasher;
  /** Absent: links between hosts are plain TCP. */
  readonly tls?: PeerTls | undefined;
  readonly sources: SourceRegistry;
  /** Made for this host as it is known once it listens. */
  readonly schedulerFor: (self: PeerInfo, rejoin: () => JoinFacts[]) => SchedulerLink;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface EngineOptions extends ControlOptions {
  /** What others are told of this host; the port is filled in when it listens. */
  readonly self: Omit<PeerInfo, 'port'>;
  /** Where to accept links; absent: nowhere. */
  readonly listen?: { readonly host: string; readonly port: number };
  /** Whether swarms are served on after a download: daemons do. */
  readonly keepServing: boolean;
  /** Hubs that this host reads on behalf of others, by scheme. */
  readonly hubEndpoints: Readonly<Record<string, string>>;
  readonly originReads: number;
  /** Threads for the payload of peers; 0: none of their own. */
  readonly workers: number;
  /** Limits on peer traffic; absent: none. */
  readonly uploadBytesPerSecond?: number | undefined;
  readonly downloadBytesPerSecond?: number | undefined;
}

/** What is made before the engine, which needs the port that the links listen on. */
interface EngineParts {
  readonly links: PeerLinks;
  readonly rates: TrafficRates;
  readonly port: number;
}

export class Engine {
  readonly control: Control;
  readonly #deps: EngineDeps;
  readonly #options: EngineOptions;
  readonly #links: PeerLinks;
  readonly #downloadGate: RateGate;
  readonly #budgets: OriginBudgets;
  readonly #uploads: Uploads;
  readonly #sessions: Sessions;
  readonly #repairs: Repairs;
  readonly #held: HeldBlobs;
  readonly #lender: Lender;
  readonly #turns = new Turns<Digest>();
  readonly #intakeOf: SessionDeps['intakeOf'];
  readonly #borrowSlots = new Slots(MAX_BORROWED_PIECES);
  readonly #complaints: Complaints;
  readonly #resolver: Resolver;
  readonly #scheduler: SchedulerLink;
  readonly #self: PeerInfo;
  readonly #stopping = new AbortController();
  #stopped: Promise<void> | undefined;

  /** Opens an engine that listens, attends its scheduler and can download. */
  static async open(deps: EngineDeps, options: EngineOptions): Promise<Engine> {
    // The links need the engine to answer, the engine needs the links' port to say who it is.
    const late: { engine?: Engine } = {};
    const rates = new TrafficRates();
    const { uploadBytesPerSecond = 0, downloadBytesPerSecond = 0 } = options;
    rates.change({ uploadBytesPerSecond, downloadBytesPerSecond });
    const links = new PeerLinks({
      identity: deps.identity,
      logger: deps.logger,
      ownerOf: async (id) => (await late.engine?.serve(id))?.exchange ?? late.engine?.lend(id),
      call: (method, body, peer, signal) => {
        if (!late.engine) throw new AnaxError('peer_refused', 'starting');
        return late.engine.answer(method, body, peer, signal);
      },
      onPeerGone: (peer) => late.engine?.peerGone(peer),
      workers: options.workers,
      createHasher: deps.createHasher,
      tls: deps.tls,
      uploadRate: rates.upload,
      downloadRate: rates.download,
    });
    const port = options.listen ? await links.listen(options.listen.host, options.listen.port) : 0;
    const engine = new Engine(deps, options, { links, rates, port });
    late.engine = engine;
    await engine.#scheduler.start();
    return engine;
  }

  private constructor(deps: EngineDeps, options: EngineOptions, { links, rates, port }: EngineParts) {
    this.#deps = deps;
    this.#options = options;
    this.#links = links;
    this.#downloadGate = new RateGate(rates.download);
    this.#intakeOf = createLocalIntakes(deps.createHasher);
    this.#self = { ...options.self, port };
    this.#budgets = new OriginBudgets(deps.clock);
    this.#uploads = new Uploads(deps.logger, deps.clock);
    this.#scheduler = deps.schedulerFor(this.#self, () => this.joinFacts());
    this.#sessions = new Sessions({
      deps: (snapshot) => this.#sessionDeps(snapshot),
      keepServing: options.keepServing,
      stored: (id) => deps.store.snapshot(id),
      logger: deps.logger,
    });
    this.#scheduler.onMessage((message) => {
      if (message.kind === 'originShare') this.#budgets.of(message.origin).set(message);
      else this.#sessions.onScheduler(message);
      if (message.kind === 'connected') this.#held.tellAll();
    });
    this.#held = new HeldBlobs({
      mayLend: options.listen !== undefined && options.keepServing,
      store: deps.store,
      hubEndpoints: options.hubEndpoints,
      tell: (statement) => this.#scheduler.tell(statement),
    });
    for (const snapshot of deps.store.snapshots()) this.#held.learn(snapshot);
    this.#repairs = new Repairs({ ...deps, sessions: this.#sessions });
    this.#lender = new Lender({
      ...deps,
      uploads: this.#uploads,
      blobOf: (key) => this.#held.blobOf(key),
      closeChannel: (channel) => links.closeChannel(channel),
      look: (open, index) => this.#repairs.look(open, index),
      onDamage: (digest) => this.#repairs.changed(digest),
    });
    this.#complaints = new Complaints({
      suspect: (id, piece) => this.#suspected(id, piece),
      nowMs: () => deps.clock.now(),
    });
    this.#resolver = new Resolver({
      self: this.#self.id,
      store: deps.store,
      scheduler: this.#scheduler,
      links,
      source: (scheme) => this.#sourceOf(scheme),
      clock: deps.clock,
      logger: deps.logger,
      signal: this.#stopping.signal,
      mayResolveForOthers: (ref) => this.#mayResolveForOthers(ref),
      onResolvedForOther: (snapshot, credentials, inOrder) => this.#takePart(snapshot, credentials, inOrder),
    });
    this.control = new Control(options, {
      ...deps,
      self: this.#self,
      rates,
      scheduler: this.#scheduler,
      resolver: this.#resolver,
      sessions: this.#sessions,
      held: this.#held,
      lender: this.#lender,
      repairs: this.#repairs,
      uploads: this.#uploads,
      budgets: this.#budgets,
      urlOf: ({ ref }) => this.#sourceOf(ref.scheme).format(ref),
      signal: this.#stopping.signal,
      close: () => this.close(),
    });
  }

  /** An origin asked this host to wait: all that read there shall. */
  throttled(waitMs: number): void {
    this.#scheduler.tell({ kind: 'throttled', waitMs });
    this.control.throttled(waitMs);
  }

  /** For the sources: see `DataPlane.bulkGet`. */
  bulkGet(...request: Parameters<DataPlane['bulkGet']>): ReturnType<DataPlane['bulkGet']> {
    return this.#links.bulkGet(...request);
  }

  /** The swarms that this host takes part in. */
  joinFacts(): JoinFacts[] {
    return this.#sessions.joinFacts();
  }

  get self(): PeerInfo {
    return this.#self;
  }

  #sourceOf(scheme: string): Source {
    return this.#deps.sources.byScheme(scheme) ?? this.#deps.sources.sourceFor(`${scheme}://`);
  }

  #sessionDeps(snapshot: StoredSnapshot): SessionDeps {
    const { identity, store, hash, clock, random, logger } = this.#deps;
    this.#held.learn(snapshot);
    return {
      identity,
      self: this.#self,
      store,
      hash,
      clock,
      random,
      logger,
      links: this.#links,
      uploads: this.#uploads,
      scheduler: this.#scheduler,
      limits: { originReads: this.#options.originReads },
      intakeOf: this.#intakeOf,
      pace: async (bytes, signal) => await this.#downloadGate.pass(bytes, signal),
      budget: this.#budgets.of(originOf(snapshot.ref.endpoint)),
      invite: (seed, invited, credentials) => this.#resolver.invite(seed, invited, credentials),
      borrowSlots: this.#borrowSlots,
      turns: this.#turns,
      onPiece: (digest, index, by) => this.#sessions.noteStored(digest, index, by),
      onShareable: () => this.#held.changed(),
      onDamage: (digest) => this.#repairs.changed(digest),
      source: this.#sourceOf(snapshot.ref.scheme),
    };
  }

  #mayResolveForOthers({ scheme, endpoint }: OriginRef): boolean {
    if (scheme === 'file') return false;
    const own = this.#options.hubEndpoints[scheme];
    return own === undefined || own === endpoint;
  }

  /** Who resolves takes part, so that the swarm has a reader from the start. */
  async #takePart(snapshot: StoredSnapshot, credentials: Credentials, inOrder: boolean): Promise<void> {
    const use = await this.#sessions.use(snapshot, credentials, { inOrder });
    await use.release();
  }

  /** The session for a snapshot that a neighbour asks for. */
  private serve(snapshot: SnapshotId): Promise<SwarmSession | undefined> {
    return this.#sessions.serve(snapshot);
  }

  /** Who answers for a blob that a reader of another swarm asks for. */
  private lend(key: BlobKey): ChannelOwner | undefined {
    return this.#lender.ownerOf(key);
  }

  /** A piece of a snapshot, or of a blob that is lent. */
  async #suspected(id: BlobKey, piece: number): Promise<boolean> {
    const wasWrong = (await this.#repairs.suspect(id, piece)) || (await this.#lender.suspect(id, piece));
    if (wasWrong) this.#held.changed();
    return wasWrong;
  }

  private async answer(
    method: string,
    body: Uint8Array,
    peer: PeerId,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    if (method === 'gossip' || method === 'canvass') {
      return this.#sessions.running(snapshotOfCall(body)).succession.answer(method, body, peer);
    }
    if (method === COMPLAINT_METHOD) return this.#complaints.answer(body);
    return this.#resolver.answer(method, body, peer, signal);
  }

  private peerGone(peer: PeerId): void {
    this.#uploads.forget(peer);
  }

  /** Closes a blob that is to make room for others, if nothing needs it now. */
  async letGo(digest: Digest): Promise<void> {
    await this.#sessions.endQuiet(digest, this.#deps.clock.now());
    await this.#lender.endQuiet(digest);
    this.#held.changed();
  }

  /** Leaves all swarms, closes links, connections and the store, in this order. Idempotent. */
  close(): Promise<void> {
    this.#stopped ??= this.#close();
    return this.#stopped;
  }

  async #close(): Promise<void> {
    this.#stopping.abort();
    this.#held.stop();
    await this.#sessions.stop();
    await this.#lender.stop();
    await this.#scheduler.stop();
    await this.#links.stop();
    this.#deps.tls?.stop();
    await this.#deps.sources.close();
    await this.#deps.store.stop();
  }
}
