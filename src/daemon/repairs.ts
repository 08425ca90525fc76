// Pieces of the cache that turn out to be damaged: a disk that rots, a file that somebody changed. Whoever finds them
// (a check by the operator, a neighbour that was given wrong bytes, a read of a changed file) tells here; they are
// dropped, the swarms of this host ask for them again, and the operator hears of it.

import {
  AnaxError,
  type Clock,
  type Digest,
  type ErrorRecord,
  isAbortError,
  type Logger,
  type OpenBlob,
  type PieceHash,
  type SnapshotId,
  type StoredBlob,
  type StoredSnapshot,
  toErrorRecord,
} from '../core/index.ts';
import type { BlobTask } from './blob-task.ts';
import { namesIn } from './cache-control.ts';
import { checkPiece } from './piece-check.ts';
import type { Sessions } from './sessions.ts';
import type { SwarmSession } from './swarm-session.ts';

export interface RepairDeps {
  readonly store: {
    find(digest: Digest): Promise<StoredBlob | undefined>;
    list(): StoredBlob[];
    snapshots(): StoredSnapshot[];
  };
  readonly sessions: Pick<Sessions, 'all' | 'use'>;
  readonly hash: PieceHash;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A blob that lost pieces; `names` are all its digests, and those of its parts, of when it was complete. */
export interface DamagedBlob {
  readonly digest: Digest;
  readonly names: readonly Digest[];
}

export type RepairOutcome =
  | { readonly ok: true; readonly bytesFromPeers: number; readonly bytesFromOrigin: number }
  | { readonly ok: false; readonly error: ErrorRecord };

/** A repair into which nothing has come for this long has failed; the next download tries again. */
const REPAIR_STALL_MS = 60_000;

const NOTHING_YET = { fromPeers: 0, fromOrigin: 0 };

export class Repairs {
  readonly #deps: RepairDeps;

  constructor(deps: RepairDeps) {
    this.#deps = deps;
  }

  /**
   * A neighbour says that a piece which it got from here has not its digest. Whether it is right: then the piece is
   * dropped, and on its way to be fetched again.
   */
  async suspect(snapshot: SnapshotId, piece: number): Promise<boolean> {
    const session = [...this.#deps.sessions.all()].find((one) => one.snapshot.id === snapshot);
    const found = session?.held.find(piece);
    if (!found) return false;
    return await this.look(found.task.open, found.index);
  }

  /** The same for a piece of a blob. */
  async look(open: OpenBlob, index: number): Promise<boolean> {
    if (!open.held.has(index)) return true;
    const { digest } = open.spec;
    const finding = await checkPiece(open, index, this.#deps.hash);
    if (finding === 'changed') {
      await this.changed(digest);
      return !open.held.has(index);
    }
    if (finding === 'good') return false;
    await open.drop([index]);
    this.note(digest, 1, 'a neighbour was given wrong bytes');
    return true;
  }

  /** A read found that a blob's file is not the one that was stored: looks what is left of it. */
  async changed(digest: Digest): Promise<void> {
    await this.#deps.store.find(digest);
    this.#resync(digest);
  }

  /** Pieces of a blob were found wrong and dropped. */
  note(digest: Digest, pieces: number, foundBy: string): void {
    this.#deps.logger.warn('the cache was damaged', { digest, pieces, foundBy });
    this.#resync(digest);
  }

  #resync(digest: Digest): void {
    for (const session of this.#deps.sessions.all()) if (taskOf(session, digest)) session.held.resync();
  }

  /** Has the dropped pieces of a blob that was complete fetched again, and waits for it. */
  async repair(blob: DamagedBlob, signal: AbortSignal): Promise<RepairOutcome> {
    try {
      const running = [...this.#deps.sessions.all()].find((session) => taskOf(session, blob.digest));
      const before = { ...(running?.counters ?? NOTHING_YET) };
      const use = await this.#deps.sessions.use(running?.snapshot ?? this.#snapshotFor(blob), undefined);
      try {
        await this.#wait(use.session, blob.digest, signal);
        const { fromPeers, fromOrigin } = use.session.counters;
        const { fromPeers: peersBefore, fromOrigin: originBefore } =
          use.session === running ? before : NOTHING_YET;
        return {
          ok: true,
          bytesFromPeers: fromPeers - peersBefore,
          bytesFromOrigin: fromOrigin - originBefore,
        };
      } finally {
        await use.release();
      }
    } catch (error) {
      if (isAbortError(error) || signal.aborted) throw error;
      return { ok: false, error: toErrorRecord(error) };
    }
  }

  /** One that lacks nothing but this blob: more than was there is not to be fetched. */
  #snapshotFor({ names }: DamagedBlob): StoredSnapshot {
    const complete = this.#deps.store.list().filter(({ state }) => state === 'complete');
    const held = new Set([...complete.flatMap(namesIn), ...names]);
    const snapshot = this.#deps.store.snapshots().find(({ manifest: { files } }) => {
      const wanted = files.filter(({ sizeBytes }) => sizeBytes > 0);
      return (
        wanted.some((file) => names.includes(file.digest)) && wanted.every((file) => held.has(file.digest))
      );
    });
    if (snapshot) return snapshot;
    throw new AnaxError('blob_not_found', 'no snapshot here is held but for this blob', {
      hint: 'the next download that needs it fetches it',
    });
  }

  async #wait(session: SwarmSession, digest: Digest, signal: AbortSignal): Promise<void> {
    const task = taskOf(session, digest);
    if (!task) throw new AnaxError('blob_not_found', digest);
    const stall = new AbortController();
    await Promise.race([
      task.settled.finally(() => stall.abort()),
      this.#stalled(task, AbortSignal.any([signal, stall.signal])),
    ]);
  }

  /** Rejects when nothing came in for too long, and with the signal. */
  async #stalled(task: BlobTask, signal: AbortSignal): Promise<never> {
    for (;;) {
      const before = task.heldBytes;
      await this.#deps.clock.sleep(REPAIR_STALL_MS, signal);
      if (task.heldBytes === before) throw new AnaxError('swarm_stalled', task.path);
    }
  }
}

/** The part of a session that is about a stored blob; a snapshot may know it by another digest. */
function taskOf(session: SwarmSession, digest: Digest): BlobTask | undefined {
  for (const task of session.tasks.values()) if (task.open.spec.digest === digest) return task;
  return undefined;
}
