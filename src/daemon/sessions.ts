// The swarms that this host takes part in: one session a snapshot, shared by all downloads of it, kept after them as
// long as the host serves others.

import type { Credentials, Digest, Logger, SnapshotId, StoredSnapshot } from '../core/index.ts';
import { AnaxError, toErrorRecord } from '../core/index.ts';
import type { JoinFacts, SchedulerMessage } from '../scheduler-server/index.ts';
import type { ReadingOrder, SessionUse } from './download.ts';
import type { SessionDeps } from './swarm-context.ts';
import { SwarmSession } from './swarm-session.ts';

/** Sessions without a download that go on serving others, at most; beyond it the longest unused end. */
const MAX_IDLE_SESSIONS = 256;

export interface SessionsOptions {
  readonly deps: (snapshot: StoredSnapshot) => SessionDeps;
  /** Whether sessions outlive their downloads. */
  readonly keepServing: boolean;
  readonly stored: (id: SnapshotId) => StoredSnapshot | undefined;
  readonly logger: Logger;
}

interface Entry {
  readonly session: SwarmSession;
  readonly started: Promise<void>;
  users: number;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #entries = new Map<SnapshotId, Entry>();
  /** Ends that are under way, so that a successor does not open the same blobs before they are closed. */
  readonly #ending = new Map<SnapshotId, Promise<void>>();
  /** What sessions that are over have moved. */
  readonly #past = { fromPeers: 0, fromOrigin: 0 };

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  *all(): Generator<SwarmSession> {
    for (const { session } of this.#entries.values()) yield session;
  }

  /**
   * The session for a download: the running one, or a new one, which hears of the order before it asks for anything.
   * Release it after use.
   */
  async use(
    snapshot: StoredSnapshot,
    credentials: Credentials | undefined,
    { read, inOrder = false }: ReadingOrder = {},
  ): Promise<SessionUse> {
    const entry = await this.#open(snapshot, credentials, 1);
    const reader = read === undefined ? undefined : entry.session.readFile(read);
    if (inOrder) entry.session.readInOrder();
    let released = false;
    try {
      await entry.started;
    } catch (error) {
      reader?.close();
      await this.#release(entry);
      throw error;
    }
    return {
      session: entry.session,
      ...(reader && { reader }),
      release: async () => {
        if (released) return;
        released = true;
        reader?.close();
        await this.#release(entry);
      },
    };
  }

  /** `users` is how many the entry gets at once, so that nobody ends it before they have it. */
  async #open(snapshot: StoredSnapshot, credentials: Credentials | undefined, users: number): Promise<Entry> {
    await this.#endUnusable(snapshot.id);
    // Another may have begun one meanwhile.
    const entry = this.#entries.get(snapshot.id) ?? this.#begin(snapshot);
    if (credentials) entry.session.addCredentials(credentials);
    entry.users += users;
    return entry;
  }

  /** Ends the running session if it is of no more use. */
  async #endUnusable(id: SnapshotId): Promise<void> {
    for (;;) {
      await this.#ending.get(id);
      const known = this.#entries.get(id);
      if (!known) return;
      const isGood = await isUsable(known);
      if (this.#entries.get(id) !== known) continue;
      if (isGood) return;
      await this.#end(known);
    }
  }

  #begin(snapshot: StoredSnapshot): Entry {
    const session = new SwarmSession(this.#options.deps(snapshot), snapshot);
    const entry = { session, started: session.start(), users: 0 };
    // One that could not begin is in nobody's way: the next download tries again.
    entry.started.catch(() => this.#endLater(entry));
    this.#entries.set(snapshot.id, entry);
    return entry;
  }

  async #release(entry: Entry): Promise<void> {
    entry.users -= 1;
    if (entry.users > 0) return;
    if (!this.#options.keepServing || entry.session.isSpent) await this.#end(entry);
    else await this.#trim();
  }

  /** Ends what only serves others and has one of these blobs open, so that they can be removed. */
  async endIdle(digests: ReadonlySet<Digest>): Promise<void> {
    for (const entry of this.#entries.values()) {
      const isAffected = entry.session.snapshot.manifest.files.some(({ digest }) => digests.has(digest));
      if (entry.users === 0 && isAffected) await this.#end(entry);
    }
  }

  /** Ends what has this stored blob open without a use for it: no download, and nothing given or got for a while. */
  async endQuiet(digest: Digest, nowMs: number): Promise<void> {
    for (const entry of this.#entries.values()) {
      const tasks = [...entry.session.tasks.values()];
      const isAffected = tasks.some(({ open }) => open.spec.digest === digest);
      if (isAffected && entry.users === 0 && entry.session.isQuiet(nowMs)) await this.#end(entry);
    }
  }

  #endLater(entry: Entry): void {
    this.#end(entry).catch((error: unknown) => {
      this.#options.logger.warn('a swarm did not end well', { error: toErrorRecord(error) });
    });
  }

  async #trim(): Promise<void> {
    const idle = [...this.#entries.values()].filter(({ users }) => users === 0);
    for (const entry of idle.slice(0, Math.max(0, idle.length - MAX_IDLE_SESSIONS))) await this.#end(entry);
  }

  async #end(entry: Entry): Promise<void> {
    const { id } = entry.session.snapshot;
    if (this.#entries.get(id) === entry) {
      this.#entries.delete(id);
      this.#account(entry.session);
    }
    const ended = entry.session.stop();
    this.#ending.set(id, ended);
    await ended;
    if (this.#ending.get(id) === ended) this.#ending.delete(id);
  }

  #account({ counters }: SwarmSession): void {
    this.#past.fromPeers += counters.fromPeers;
    this.#past.fromOrigin += counters.fromOrigin;
  }

  /** Bytes moved since the host started. */
  totals(): { fromPeers: number; fromOrigin: number } {
    const sum = { ...this.#past };
    for (const { counters } of this.all()) {
      sum.fromPeers += counters.fromPeers;
      sum.fromOrigin += counters.fromOrigin;
    }
    return sum;
  }

  /** A session for somebody who asks for a snapshot that this host knows, without a download of its own. */
  async serve(id: SnapshotId): Promise<SwarmSession | undefined> {
    const known = this.#entries.get(id);
    const snapshot = known ? undefined : this.#options.stored(id);
    const entry =
      known ?? (snapshot && this.#options.keepServing ? await this.#open(snapshot, undefined, 0) : undefined);
    await entry?.started;
    return entry?.session;
  }

  /** Throws `peer_refused` where this host has no part in the swarm. */
  running(id: SnapshotId): SwarmSession {
    const session = this.#entries.get(id)?.session;
    if (session?.isOpen) return session;
    throw new AnaxError('peer_refused', 'no part in this swarm');
  }

  /** The swarm of one snapshot has stored a piece: the others have it, too, where they have its blob. */
  noteStored(digest: Digest, index: number, by: SnapshotId): void {
    for (const [id, { session }] of this.#entries) if (id !== by) session.held.noteStored(digest, index);
  }

  /** What a scheduler is told after a break. A session that is still opening its blobs joins by itself. */
  joinFacts(): JoinFacts[] {
    return [...this.all()].filter(({ isOpen }) => isOpen).map((session) => session.scheduler.joinFacts());
  }

  onScheduler(message: SchedulerMessage): void {
    if (message.kind === 'connected') {
      for (const session of this.all()) {
        session.trustScheduler(message.schedulerKey);
        session.scheduler.tellSuspects();
      }
    } else if (message.kind !== 'disconnected' && message.kind !== 'originShare') {
      this.#entries.get(message.snapshot)?.session.scheduler.onMessage(message);
    }
  }

  async stop(): Promise<void> {
    const ends = [...this.#entries.values()].map((entry) =>
      this.#end(entry).catch((error: unknown) => {
        this.#options.logger.warn('a swarm did not end well', { error: toErrorRecord(error) });
      }),
    );
    await Promise.all([...ends, ...this.#ending.values()]);
  }
}

async function isUsable({ session, users, started }: Entry): Promise<boolean> {
  if (session.isSpent) return false;
  if (users > 0) return true;
  const hasStarted = await started.then(
    () => true,
    () => false,
  );
  return hasStarted && session.held.isIntact();
}
