// One host's part in one snapshot's swarm, as it really runs: feeds the pure machine of src/swarm with what happens and
// has its decisions carried out by the exchange (neighbours), the origin side (lease) and the verdicts (completion).
//
// Invariants: a piece is told to the machine only after it was verified and stored; nothing is offered without a proof
// that others can check; a blob is complete only after its verdict.

import {
  AnaxError,
  type Credentials,
  type Digest,
  type ErrorRecord,
  fromErrorRecord,
  type PeerId,
  type PeerInfo,
  PieceMap,
  type ReaderGrant,
  type StoredSnapshot,
  TrustedReaders,
  toErrorRecord,
  totalBytes,
} from '../core/index.ts';
import type { JoinFacts, SchedulerMessage } from '../scheduler-server/index.ts';
import {
  createSwarmState,
  hasUnsent,
  heldCount,
  rarityFor,
  type SwarmEffect,
  type SwarmEvent,
  type SwarmState,
  step,
  unreadSpans,
  usualServeMs,
} from '../swarm/index.ts';
import type { BlobTask } from './blob-task.ts';
import { Borrowing, unsignedPieces } from './borrowing.ts';
import { Exchange } from './exchange.ts';
import { FileReader } from './file-reader.ts';
import { FileReaders } from './file-readers.ts';
import { isShareable } from './held-blobs.ts';
import { offeredPieces } from './offers.ts';
import { openTasks } from './open-tasks.ts';
import { originOf } from './origin-budget.ts';
import { OriginSide } from './origin-side.ts';
import { Succession } from './succession.ts';
import { locateTask, type SessionDeps, type SwarmContext } from './swarm-context.ts';
import { Verdicts } from './verdicts.ts';

/** A session that gives nothing and gets nothing for this long can be ended for room: with all its blobs settled, or without. */
const QUIET_SETTLED_MS = 60_000;
const QUIET_UNSETTLED_MS = 600_000;

/** Redials, overdue requests and held reads are looked at this often. */
const TICK_MS = 250;

export class SwarmSession {
  readonly exchange: Exchange;
  readonly #context: SwarmContext;
  readonly succession: Succession;
  readonly #origin: OriginSide;
  readonly #borrowing: Borrowing;
  readonly #verdicts: Verdicts;
  readonly #fileReaders = new FileReaders((event) => this.#feed(event));
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** Peers that served wrong bytes. */
  readonly #suspects = new Set<PeerId>();
  readonly #startedMs: number;
  #isInOrder = false;
  #state: SwarmState | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;
  /** Whether pieces were lost while this host had the lease, which the scheduler then takes to be held. */
  #lostDuringLease = false;
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
    const onStored = (piece: number): void => this.#stored(piece);
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
      hasReaderNear: () => this.#readers().some((reader) => this.exchange.isUp(reader)),
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
      state: () => this.#state,
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

  get heldPieces(): number {
    return this.#state?.held.count ?? 0;
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const task of this.#context.tasks.values()) bytes += task.heldBytes;
    return bytes;
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

  /**
   * Whether the files of the complete blobs are still what was stored. Looking makes the store drop what was changed
   * from outside; such a session ends, and its successor fetches what is missing.
   */
  async isIntact(): Promise<boolean> {
    for (const { status, open } of this.#context.tasks.values()) {
      if (status !== 'complete') continue;
      const found = await this.#context.deps.store.find(open.spec.digest);
      if (found?.state !== 'complete') return false;
    }
    return true;
  }

  /** The blob that a piece of the snapshot is in, and its place there; `undefined` for what is none. */
  find(piece: number): { task: BlobTask; index: number } | undefined {
    return this.isOpen && piece < this.map.pieceCount ? locateTask(this.#context, piece) : undefined;
  }

  #stored(piece: number): void {
    const { task, index } = locateTask(this.#context, piece);
    this.#context.deps.onPiece(task.open.spec.digest, index, this.snapshot.id);
    this.#verdicts.consider(task);
  }

  /** Another swarm of this host has stored a piece of a blob that may be in this one as well. */
  noteStored(digest: Digest, index: number): void {
    const task = this.#context.tasks.get(digest);
    if (!task || task.isSettled || task.open.spec.digest !== digest || !this.isOpen) return;
    const piece = task.mapped.pieces.start + index;
    if (this.#state?.held.has(piece)) return;
    this.#feed({ kind: 'stored', piece, from: this.#context.deps.identity.id });
    this.#verdicts.consider(task);
  }

  /** Takes note of pieces that the store has dropped from under the session: they are wanted again. */
  resync(): void {
    const { held } = this.#state ?? {};
    if (!held || !this.isOpen) return;
    const lost: number[] = [];
    for (const task of this.#context.tasks.values()) {
      const { open, mapped, status } = task;
      if (status === 'failed') continue;
      for (const index of open.held.missing()) {
        if (held.has(mapped.pieces.start + index)) lost.push(mapped.pieces.start + index);
      }
      if (status !== 'complete' || open.state === 'complete') continue;
      task.reopen();
      this.#verdicts.consider(task);
    }
    if (lost.length === 0) return;
    this.#feed({ kind: 'dropped', pieces: lost });
    this.#lostDuringLease = this.#origin.leaseEpoch > 0;
    this.#context.deps.scheduler.join(this.joinFacts());
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
    deps.scheduler.join(this.joinFacts());
    for (const task of tasks.values()) this.#verdicts.consider(task);
  }

  /** Grants of this scheduler are believed. */
  trustScheduler(key: Uint8Array): void {
    this.#tell(this.#context.trust.trustScheduler(key));
  }

  /** What the scheduler is told when this host takes part, and again after it came back. */
  joinFacts(): JoinFacts {
    const { deps, snapshot, map } = this.#context;
    return {
      snapshot: snapshot.id,
      pieceCount: map.pieceCount,
      held: offeredPieces(this.#context).toBytes(),
      url: deps.source.format(snapshot.ref),
      origin: originOf(snapshot.ref.endpoint),
      totalBytes: totalBytes(snapshot.manifest),
      grants: this.#context.trust.grants(),
      lease: this.#leaseClaim(),
    };
  }

  #leaseClaim(): JoinFacts['lease'] {
    const epoch = this.#origin.leaseEpoch;
    return epoch > 0 && this.#state ? { epoch, spans: unreadSpans(this.#state) } : undefined;
  }

  onScheduler(message: SchedulerMessage): void {
    switch (message.kind) {
      case 'neighbours':
        return this.#feed({ kind: 'neighbours', peers: message.peers });
      case 'lease':
        return this.#origin.takeLease(message.epoch, message.grant, message.spans);
      case 'trust':
        return this.#takeGrants([message.grant]);
      case 'deputy':
        return this.succession.appoint(message.grant);
      case 'reportHoldings':
        return this.#reportHoldings(message.holders);
      case 'leaseRevoked':
        return this.#origin.loseLease(message.epoch);
      case 'yieldLease':
        return this.#feed({ kind: 'yieldLease', epoch: message.epoch });
      case 'invite':
        return this.#invite(message.seeds);
      case 'swarmFailed':
        return this.fail(fromErrorRecord(message.error));
      case 'connected':
      case 'disconnected':
      case 'originShare':
        return undefined;
    }
  }

  #reportHoldings(holders: readonly PeerId[]): void {
    const heard = holders.filter((holder) => this.exchange.isUp(holder));
    const held = offeredPieces(this.#context).toBytes();
    this.#context.deps.scheduler.tell({ kind: 'holdings', snapshot: this.snapshot.id, held, heard });
  }

  /** Has seeds take part, with the credentials that this host reads with. */
  #invite(seeds: readonly PeerInfo[]): void {
    const { deps, snapshot } = this.#context;
    for (const seed of seeds) this.#run(deps.invite(seed, snapshot, this.#origin.credentials));
  }

  #readers(): PeerId[] {
    return this.#context.trust.readers();
  }

  /** New grants make more pieces provable: pass the grants on, and say what can be given now. */
  #takeGrants(grants: readonly ReaderGrant[]): void {
    this.#tell(grants.filter((grant) => this.#context.trust.add(grant)));
  }

  #tell(taken: ReaderGrant[]): void {
    if (taken.length === 0) return;
    this.exchange.broadcast((channel) => ({ kind: 'grants', channel: channel.id, grants: taken }));
    if (this.heldPieces > 0) this.exchange.reannounce();
    for (const task of this.#context.tasks.values()) this.#verdicts.consider(task);
  }

  #feed(event: SwarmEvent): void {
    if (this.#stopping.signal.aborted || !this.#state) return;
    for (const effect of step(this.#state, event, this.#context.deps.clock.now())) this.#carryOut(effect);
    if (event.kind === 'stored' || event.kind === 'dropped') this.#fileReaders.wake();
  }

  #carryOut(effect: SwarmEffect): void {
    const { deps } = this.#context;
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
        deps.scheduler.join(this.joinFacts());
        return this.tellSuspects();
      case 'shortenRead':
        return this.#origin.shortenRead(effect.readId, effect.end);
      case 'leaseYielded':
      case 'leaseProgress':
        return deps.scheduler.tell({ ...effect, snapshot: this.snapshot.id });
      case 'paceReads':
        return this.#origin.paceReads(effect.pace);
      case 'leaseDone':
        return this.#endLease(effect.epoch, effect.error);
    }
  }

  #endLease(epoch: number, error: ErrorRecord | undefined): void {
    this.#origin.leaseDone(epoch, error);
    if (!this.#lostDuringLease) return;
    this.#lostDuringLease = false;
    this.#context.deps.scheduler.join(this.joinFacts());
  }

  /** Wrong bytes are told to the scheduler: others may get them, too. */
  #ban(peer: PeerId, reason: 'corrupt' | 'unproven'): void {
    const { deps } = this.#context;
    deps.links.ban(peer);
    deps.logger.warn('peer banned', { peer, reason, snapshot: this.snapshot.id });
    if (reason !== 'corrupt') return;
    this.#suspects.add(peer);
    this.tellSuspects();
  }

  /** Also to a scheduler that was away, or did not know them when it was told. */
  tellSuspects(): void {
    const { scheduler } = this.#context.deps;
    for (const suspect of this.#suspects)
      scheduler.tell({ kind: 'suspect', snapshot: this.snapshot.id, suspect });
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
    this.#context.deps.scheduler.tell({ kind: 'leave', snapshot: this.snapshot.id });
    this.#verdicts.stop();
    this.#origin.paceReads('all');
    this.exchange.stop();
    await Promise.all(this.#running);
    for (const task of this.#context.tasks.values()) await task.open.close();
  }
}
