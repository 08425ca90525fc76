// How a blob of a swarm becomes complete on this host. A reader computes the whole digest and signs what it found; the
// others take the signed verdict, and where none comes (the reader is gone) compute it themselves.

import {
  type AnaxError,
  hasCode,
  isAbortError,
  type MappedBlob,
  signVerdict,
  toAnaxError,
  type Verdict,
} from '../core/index.ts';
import { type BlobTask, errorOfVerdict, sha256Bytes } from './blob-task.ts';
import { openPack } from './packs.ts';
import { isDiskError, isReader, pathOf, type SwarmContext } from './swarm-context.ts';

/** How long a full blob waits for a verdict: this, plus the time that a slow reader needs for the hash. */
const VERDICT_PATIENCE_MS = 2_000;
/** Far under what sha256 does on one core, so that a busy reader is still waited for. */
const SLOW_HASH_BYTES_PER_MS = 250_000;

export interface VerdictHandlers {
  readonly broadcast: (verdict: Verdict) => void;
  /** Whether a neighbour is a reader, so that a verdict can be hoped for. */
  readonly hasReaderNear: () => boolean;
  /** The whole is wrong: drops what was borrowed of it. Whether there was anything, so that it goes on. */
  readonly giveBack: (task: BlobTask) => Promise<boolean>;
  readonly onComplete: (task: BlobTask) => void;
}

export class Verdicts {
  readonly #context: SwarmContext;
  readonly #handlers: VerdictHandlers;
  readonly #patience = new Map<BlobTask, NodeJS.Timeout>();

  constructor(context: SwarmContext, handlers: VerdictHandlers) {
    this.#context = context;
    this.#handlers = handlers;
  }

  /** The verdicts that this host knows. */
  list(): Verdict[] {
    return [...this.#context.tasks.values()].flatMap(({ verdict }) => verdict ?? []);
  }

  /** Verdicts from a neighbour; the valid and new ones are passed on. */
  receive(verdicts: readonly Verdict[]): void {
    for (const verdict of verdicts) {
      const task = this.#context.tasks.get(verdict.blob);
      if (!task || task.verdict || !this.#context.trust.vouchesForVerdict(task.mapped, verdict)) continue;
      task.verdict = verdict;
      this.#handlers.broadcast(verdict);
      this.consider(task);
    }
  }

  /** Looks whether a blob can be settled now. Call it whenever something about the blob changed. */
  consider(task: BlobTask): void {
    if (task.mapped.parts) return this.#considerPack(task);
    if (task.status === 'complete') return this.#vouch(task);
    if (task.status !== 'filling') return;
    if (task.verdict && !task.verdict.good) return this.#condemn(task, task.verdict);
    if (!task.open.held.isFull) return;
    if (isReader(this.#context) && !task.verdict) return this.#startCheck(task);
    if (task.verdict) return this.#acquit(task, task.verdict);
    this.#waitForVerdict(task);
  }

  #considerPack(task: BlobTask): void {
    if (task.status !== 'filling' || !task.open.held.isFull) return;
    task.status = 'checking';
    const work = openPack(task, (digest) => pathOf(this.#context, digest));
    this.#context.run(work.catch((error: unknown) => this.#failCheck(task, error)));
  }

  /** Starts hashing early, so that the verdict comes right after the last piece. */
  prepare(task: BlobTask): void {
    if (task.status !== 'filling' || task.isSmall) return;
    // The outcome is asked for again, and handled, when the blob is full.
    task.open.wholeDigests(this.#context.signal).catch(() => undefined);
  }

  /** The reader could not get the blob, or found it wrong: nobody shall wait for it. */
  async reject(task: BlobTask, error: AnaxError): Promise<void> {
    if (task.isSettled) return;
    if (isReader(this.#context)) {
      const sha256 = task.whole ? sha256Bytes(task.whole, task.mapped.digest) : new Uint8Array(32);
      this.#sign(task, { good: false, root: new Uint8Array(32), sha256 });
    }
    await this.#drop(task, error);
  }

  #sign(task: BlobTask, finding: Pick<Verdict, 'good' | 'root' | 'sha256'>): void {
    task.verdict = signVerdict(this.#context.deps.identity, task.mapped, finding);
    this.#handlers.broadcast(task.verdict);
  }

  /** A reader that holds the blob complete from before says so to this swarm. */
  #vouch(task: BlobTask): void {
    if (task.verdict || !isReader(this.#context)) return;
    const root = task.root(this.#context.deps.hash);
    this.#sign(task, { good: true, root, sha256: sha256Bytes(task.whole, task.mapped.digest) });
  }

  #acquit(task: BlobTask, verdict: Verdict): void {
    const root = task.root(this.#context.deps.hash);
    const samePieces = Buffer.compare(root, verdict.root) === 0;
    if (samePieces && !task.isSmall) this.#startCommit(task);
    else this.#startCheck(task);
  }

  #condemn(task: BlobTask, verdict: Verdict): void {
    const error = errorOfVerdict(task.path, task.mapped.digest, verdict);
    this.#context.run(this.#drop(task, error));
  }

  #waitForVerdict(task: BlobTask): void {
    if (this.#patience.has(task)) return;
    const slowHashMs = this.#handlers.hasReaderNear() ? task.mapped.sizeBytes / SLOW_HASH_BYTES_PER_MS : 0;
    const timer = setTimeout(() => {
      this.#patience.delete(task);
      if (task.status === 'filling' && task.open.held.isFull) this.#startCheck(task);
    }, VERDICT_PATIENCE_MS + slowHashMs);
    this.#patience.set(task, timer);
  }

  #startCheck(task: BlobTask): void {
    task.status = 'checking';
    this.#context.run(this.#check(task));
  }

  async #check(task: BlobTask): Promise<void> {
    try {
      task.check(await task.open.wholeDigests(this.#context.signal));
      await this.#commit(task);
      this.#vouch(task);
    } catch (error) {
      await this.#failCheck(task, error);
    }
  }

  async #failCheck(task: BlobTask, error: unknown): Promise<void> {
    if (isAbortError(error)) return;
    if (lostPieces(task, error)) {
      task.status = 'filling';
      return;
    }
    if (hasCode(error, 'digest_mismatch')) {
      task.status = 'filling';
      if (!(await this.#handlers.giveBack(task))) await this.reject(task, error);
      return;
    }
    task.fail(toAnaxError(error));
  }

  #startCommit(task: BlobTask): void {
    task.status = 'checking';
    this.#context.run(this.#commit(task).catch((error: unknown) => this.#failCheck(task, error)));
  }

  async #commit(task: BlobTask): Promise<void> {
    await task.open.commit(task.aliases());
    if (task.isDamaged) {
      const { digest } = task.open.spec;
      this.#context.deps.logger.info('a damaged blob is whole again', { digest, file: task.path });
    }
    task.complete();
    this.#handlers.onComplete(task);
  }

  /** Nothing of a wrong blob stays. */
  async #drop(task: BlobTask, error: AnaxError): Promise<void> {
    this.#context.deps.logger.warn('blob given up', { file: task.path, code: error.code, ...error.details });
    task.fail(error);
    const pieces: MappedBlob['pieces'] = task.mapped.pieces;
    this.#context.feed({ kind: 'abandon', pieces });
    await task.open.discard();
  }

  stop(): void {
    for (const timer of this.#patience.values()) clearTimeout(timer);
  }
}

/** Whether pieces were dropped while the whole was checked: then it goes on when they are there again. */
function lostPieces(task: BlobTask, error: unknown): boolean {
  return !task.open.held.isFull && task.status === 'checking' && !isDiskError(error);
}
