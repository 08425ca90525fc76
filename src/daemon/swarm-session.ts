// One host's part in one snapshot's swarm, as it really runs: feeds the pure machine of src/swarm with what happens and
// has its decisions carried out by the exchange (neighbours), the origin side (lease), the scheduler side (membership)
// and the verdicts (completion).
//
// Invariants: a piece is told to the machine only after it was verified and stored; nothing is offered without a proof
// that others can check; a blob is complete only after its verdict.

import {
  AnaxError,
  type Credentials,
  type Digest,
  type PeerId,
  PieceMap,
  type ReaderGrant,
  type StoredSnapshot,
  TrustedReaders,
  toErrorRecord,
} from '../core/index.ts';
import {
  createSwarmState,
  hasUnsent,
  heldCount,
  rarityFor,
  type SwarmEffect,
  type SwarmEvent,
  type SwarmState,
  step,
  usualServeMs,
} from '../swarm/index.ts';
import type { BlobTask } from './blob-task.ts';
import { Borrowing, unsignedPieces } from './borrowing.ts';
import { Exchange } from './exchange.ts';
import { FileReader } from './file-reader.ts';
import { FileReaders } from './file-readers.ts';
import { isShareable } from './held-blobs.ts';
import { HeldPieces } from './held-pieces.ts';
import { openTasks } from './open-tasks.ts';
import { OriginSide } from './origin-side.ts';
import { SchedulerSide } from './scheduler-side.ts';
import { Succession } from './succession.ts';
import type { SessionDeps, SwarmContext } from './swarm-context.ts';
import { Verdicts } from './verdicts.ts';

/** A session that gives nothing and gets nothing for this long can be ended for room: with all its blobs settled, or without. */
const QUIET_SETTLED_MS = 60_000;
const QUIET_UNSETTLED_MS = 600_000;

/** Redials, overdue requests and held reads are looked at this often. */
const TICK_MS = 250;

export class SwarmSession {
  readonly exchange: Exchange;
  readonly held: HeldPieces;
  readonly scheduler: SchedulerSide;
  readonly succession: Succession;
  readonly #context: SwarmContext;
  readonly #origin: OriginSide;
  readonly #borrowing: Borrowing;
  readonly #verdicts: Verdicts;
  readonly #fileReaders = new FileReaders((event) => this.#feed(event));
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #startedMs: number;
  #isInOrder = false;
  #state: SwarmState | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  constructor(deps: SessionDeps, snapshot: StoredSnapshot) {
    this.#startedMs = deps.clock.now();
    this.#context = {
      deps,
      snapshot,
      map: new PieceMap(snapshot.manifest),
      trust: new TrustedReaders(snapshot.id),
      tasks: new Map(),
      counters: { fromPeers: 0, fromOrigin: 0, fromCache: 0 },
      signal: this.#stopping.signal,
      feed: (event) => this.#feed(event),
      heldBy: (peer) => (this.#state ? heldCount(this.#state, peer) : 0),
      viewOf: (peer, piece) => ({
        rarity: () => (this.#state ? rarityFor(this.#state, peer, piece) : 0),
        hasUnsent: (wasSent) => this.#state !== undefined && hasUnsent(this.#state, peer, wasSent),
        usualMs: () => (this.#state ? usualServeMs(this.#state, peer) : 0),
      }),
      run: (work) => this.#run(work),
    };
    const state = (): SwarmState | undefined => this.#state;
    this.held = new HeldPieces(this.#context, {
      state,
      onChange: (task) => this.#verdicts.consider(task),
      onLost: () => this.scheduler.piecesLost(),
    });
    const onStored = (piece: number): void => this.held.stored(piece);
    const onGrants = (grants: readonly ReaderGrant[]): void => this.#takeGrants(grants);
    this.exchange = new Exchange(this.#context, {
      onStored,
      onGrants,
      onVerdicts: (verdicts) => this.#verdicts.receive(verdicts),
      verdicts: () => this.#verdicts.list(),
      onDiskError: (error) => this.fail(error),
    });
    this.#verdicts = new Verdicts(this.#context, {
      broadcast: (verdict) =>
        this.exchange.broadcast((channel) => ({
          kind: 'verdicts',
          channel: channel.id,
          verdicts: [verdict],
        })),
      hasReaderNear: () => this.#context.trust.readers().some((reader) => this.exchange.isUp(reader)),
      giveBack: (task) => this.#giveBack(task),
      onComplete: (task) => this.#completed(task),
    });
    this.#borrowing = new Borrowing(this.#context, {
      onStored,
      onDiskError: (error) => this.fail(error),
    });
    this.#origin = new OriginSide(this.#context, {
      onGrants,
      onStored,
      search: (spans) => this.#borrowing.search(spans),
      borrow: (task, signal) => this.#borrowing.fill(task, signal),
      prepare: (task) => this.#verdicts.prepare(task),
      reject: (task, error) => this.#giveUp(task, error),
      onDiskError: (error) => this.fail(error),
    });
    this.succession = new Succession(this.#context, {
      exchange: this.exchange,
      origin: this.#origin,
      state,
    });
    this.scheduler = new SchedulerSide(this.#context, {
      exchange: this.exchange,
      origin: this.#origin,
      succession: this.succession,
      state,
      onGrants,
      onFailed: (error) => this.fail(error),
    });
  }

  get snapshot(): StoredSnapshot {
    return this.#context.snapshot;
  }

  get map(): PieceMap {
    return this.#context.map;
  }

  get tasks(): ReadonlyMap<string, BlobTask> {
    return this.#context.tasks;
  }

  get counters(): SwarmContext['counters'] {
    return this.#context.counters;
  }

  /** Whether it has joined the swarm. */
  get isOpen(): boolean {
    return this.#state !== undefined && !this.#stopping.signal.aborted;
  }

  /** Whether it neither fills nor serves, so that nobody misses it. */
  isQuiet(nowMs: number): boolean {
    if (!this.#state || !this.isOpen) return false;
    const tasks = [...this.#context.tasks.values()];
    const limitMs = tasks.every((task) => task.isSettled) ? QUIET_SETTLED_MS : QUIET_UNSETTLED_MS;
    const lastMs = Math.max(this.#startedMs, this.exchange.lastServedMs, this.#state.lastProgressMs);
    return nowMs - lastMs >= limitMs;
  }

  /** Resolves when a file of the snapshot is complete; rejects with why it can't be. */
  async waitFor(digest: Digest): Promise<void> {
    const blob = this.#context.map.blobWith(digest);
    const task = blob && this.#context.tasks.get(blob.digest);
    if (!task) throw new AnaxError('internal', `not in this snapshot: ${digest}`);
    await task.fileSettled(digest);
  }

  /** Reads a file in order while it comes; also before the session has started. Close it. */
  readFile(digest: Digest): FileReader {
    return new FileReader(this.#context, this.#fileReaders, digest);
  }

  /** Others read all of it in order while it comes: so does this host where it reads the origin. Idempotent. */
  readInOrder(): void {
    if (this.#isInOrder) return;
    this.#isInOrder = true;
    // A reader that never moves on stands for those on other hosts.
    this.#fileReaders.enter({ start: 0, end: this.map.pieceCount });
  }

  /** Whether a blob failed and nothing else is under way: then the next download starts a new session. */
  get isSpent(): boolean {
    const tasks = [...this.#context.tasks.values()];
    return tasks.some((task) => task.hasFailed) && tasks.every((task) => task.isSettled);
  }

  addCredentials(credentials: Credentials): void {
    this.#origin.addCredentials(credentials);
  }

  /** Opens the blobs and joins the swarm. */
  async start(): Promise<void> {
    const { deps, tasks, map } = this.#context;
    const held = await openTasks(this.#context);
    const rngSeed = Math.floor(deps.random() * 2 ** 31);
    this.#state = createSwarmState({
      self: deps.identity.id,
      zone: deps.self.zone,
      map,
      held,
      rngSeed,
      limits: deps.limits,
    });
    this.#fileReaders.tellAll();
    this.#ticker = setInterval(() => {
      this.#feed({ kind: 'tick' });
      this.succession.tick();
    }, TICK_MS);
    if (deps.scheduler.schedulerKey) this.trustScheduler(deps.scheduler.schedulerKey);
    this.scheduler.join();
    for (const task of tasks.values()) this.#verdicts.consider(task);
  }

  /** Grants of this scheduler are believed. */
  trustScheduler(key: Uint8Array): void {
    this.#tell(this.#context.trust.trustScheduler(key));
  }

  /** New grants make more pieces provable: pass the grants on, and say what can be given now. */
  #takeGrants(grants: readonly ReaderGrant[]): void {
    this.#tell(grants.filter((grant) => this.#context.trust.add(grant)));
  }

  #tell(taken: ReaderGrant[]): void {
    if (taken.length === 0) return;
    this.exchange.broadcast((channel) => ({ kind: 'grants', channel: channel.id, grants: taken }));
    if (this.held.count > 0) this.exchange.reannounce();
    for (const task of this.#context.tasks.values()) this.#verdicts.consider(task);
  }

  #feed(event: SwarmEvent): void {
    if (this.#stopping.signal.aborted || !this.#state) return;
    for (const effect of step(this.#state, event, this.#context.deps.clock.now())) this.#carryOut(effect);
    if (event.kind === 'stored' || event.kind === 'dropped') this.#fileReaders.wake();
  }

  #carryOut(effect: SwarmEffect): void {
    switch (effect.kind) {
      case 'dial':
        return this.#run(this.exchange.dial(effect.peer));
      case 'request':
        return this.#run(this.exchange.request(effect.peer, effect.piece));
      case 'cancel':
        return this.exchange.cancel(effect.peer, effect.piece);
      case 'announce':
        return this.exchange.announce(effect.piece, effect.later);
      case 'announceRest':
        return this.exchange.announceRest();
      case 'ban':
        return this.#ban(effect.peer, effect.reason);
      case 'read':
        return this.#run(this.#origin.read(effect.readId, effect.pieces));
      case 'look':
        this.#look = setTimeout(() => this.#feed({ kind: 'look' }), effect.afterMs);
        return;
      case 'seek':
        return this.scheduler.seek();
      case 'shortenRead':
        return this.#origin.shortenRead(effect.readId, effect.end);
      case 'leaseYielded':
      case 'leaseProgress':
        return this.scheduler.tellOfLease(effect);
      case 'paceReads':
        return this.#origin.paceReads(effect.pace);
      case 'leaseDone':
        return this.scheduler.endLease(effect.epoch, effect.error);
    }
  }

  #ban(peer: PeerId, reason: 'corrupt' | 'unproven'): void {
    const { deps } = this.#context;
    deps.links.ban(peer);
    deps.logger.warn('peer banned', { peer, reason, snapshot: this.snapshot.id });
    if (reason === 'corrupt') this.scheduler.suspect(peer);
  }

  #run(work: Promise<void>): void {
    const tracked = work.catch((error: unknown) => {
      if (this.#stopping.signal.aborted) return;
      this.#context.deps.logger.error('swarm work failed', {
        error: toErrorRecord(error),
        snapshot: this.snapshot.id,
      });
    });
    this.#running.add(tracked);
    void tracked.finally(() => this.#running.delete(tracked));
  }

  /** What was borrowed may be given on from now on. */
  #completed({ open, mapped }: BlobTask): void {
    if (unsignedPieces(open).length > 0) this.exchange.reannounce();
    if (isShareable(mapped)) this.#context.deps.onShareable();
  }

  async #giveBack(task: BlobTask): Promise<boolean> {
    if (!(await this.#borrowing.giveBack(task))) return false;
    // Every session that has the blob open misses the pieces now.
    await this.#context.deps.onDamage(task.open.spec.digest);
    return true;
  }

  async #giveUp(task: BlobTask, error: AnaxError): Promise<void> {
    this.#origin.abortReads(task);
    await this.#verdicts.reject(task, error);
  }

  /** No missing blob can be had any more. What is held stays in the store. */
  fail(error: AnaxError): void {
    for (const task of this.#context.tasks.values()) task.fail(error);
  }

  /** Leaves the swarm. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    clearInterval(this.#ticker);
    clearTimeout(this.#look);
    this.#stopping.abort();
    this.scheduler.leave();
    this.#verdicts.stop();
    this.#origin.paceReads('all');
    this.exchange.stop();
    await Promise.all(this.#running);
    for (const task of this.#context.tasks.values()) await task.open.close();
  }
}
