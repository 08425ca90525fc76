// A reader's other way to the blobs of its lease: from hosts that hold them complete by way of another snapshot
// (docs/adr/0011). The scheduler says who does; what they do not give is read from the origin.
//
// Invariant: what was borrowed is nobody's word. It is stored unsigned, and kept back until the whole blob was checked.

import {
  type AnaxError,
  type BlobKey,
  blobKey,
  type Digest,
  isUnsigned,
  type MappedBlob,
  type OpenBlob,
  type PeerId,
  type PeerInfo,
  pieceSize,
  type Range,
  toErrorRecord,
  unsignedProof,
} from '../core/index.ts';
import type { BlobTask } from './blob-task.ts';
import { isShareable } from './held-blobs.ts';
import { HolderChannel } from './holder-channel.ts';
import { originOf } from './origin-budget.ts';
import { Slots } from './slots.ts';
import { isDiskError, type SwarmContext } from './swarm-context.ts';

/** An answer so old is asked for again when it is needed: more may be known by now. */
const FRESH_MS = 15_000;
/** Holders that a blob is taken from at once. */
const MAX_HOLDERS = 3;
/** Pieces that are asked of one holder at once. */
const REQUESTS = 4;

export interface BorrowingHandlers {
  readonly onStored: (piece: number) => void;
  readonly onDiskError: (error: AnaxError) => void;
}

interface Holder {
  readonly info: PeerInfo;
  readonly key: BlobKey;
}

export class Borrowing {
  readonly #context: SwarmContext;
  readonly #handlers: BorrowingHandlers;
  /** Who holds a blob, as the scheduler said last. */
  readonly #holders = new Map<Digest, Promise<readonly Holder[]>>();
  #spans: readonly Range[] = [];
  #searchedAtMs = 0;
  readonly #running = new Map<BlobTask, Promise<void>>();
  /** One blob after the other: the first can be given on while the next comes. */
  readonly #turn = new Slots(1);
  /** Holders that a blob was taken from, and those that are asked no more. */
  readonly #used = new Map<Digest, Set<PeerId>>();
  readonly #refused = new Map<Digest, Set<PeerId>>();

  constructor(context: SwarmContext, handlers: BorrowingHandlers) {
    this.#context = context;
    this.#handlers = handlers;
  }

  /** Asks who holds the blobs of a lease, all in one question. */
  search(spans: readonly Range[]): void {
    this.#spans = spans;
    this.#searchedAtMs = this.#context.deps.clock.now();
    const blobs = Array.from(this.#context.tasks.values()).flatMap(({ mapped, open }) =>
      isShareable(mapped) && !open.held.isFull && isIn(spans, mapped) ? mapped : [],
    );
    if (blobs.length === 0 || !this.#context.deps.scheduler.connected) return;
    const answer = this.#find(blobs);
    for (const { digest } of blobs) {
      const holders = answer.then((found) => found.get(digest) ?? []);
      this.#holders.set(digest, holders);
    }
  }

  /** A scheduler that does not answer is no reason to fail: the origin is there. */
  async #find(blobs: readonly MappedBlob[]): Promise<ReadonlyMap<Digest, readonly Holder[]>> {
    const { deps, snapshot, signal } = this.#context;
    const hub = originOf(snapshot.ref.endpoint);
    const digests = new Map<BlobKey, Digest>();
    for (const { digest } of blobs) {
      digests.set(blobKey(digest, 'public'), digest);
      if (hub !== '') digests.set(blobKey(digest, { hub }), digest);
    }
    const holders = new Map<Digest, Holder[]>();
    try {
      for (const { key, holders: infos } of await deps.scheduler.findBlobs([...digests.keys()], signal)) {
        const digest = digests.get(key);
        if (digest === undefined) continue;
        const more = infos.map((info) => ({ info, key }));
        holders.set(digest, [...(holders.get(digest) ?? []), ...more]);
      }
    } catch (error) {
      deps.logger.debug('holders of blobs are not known', { error });
    }
    return holders;
  }

  /**
   * Takes what is missing of a blob from those who hold it, pieces of other readers' leases too: only who has the whole
   * can give any of it on. Resolves when it is here, or no more can be had this way; never rejects.
   */
  async fill(task: BlobTask, signal: AbortSignal): Promise<void> {
    if (this.#context.deps.clock.now() >= this.#searchedAtMs + FRESH_MS) this.search(this.#spans);
    const holders = await this.#holders.get(task.mapped.digest);
    if (!holders || signal.aborted) return;
    const running = this.#running.get(task) ?? this.#turn.run(() => this.#fill(task, holders, signal));
    this.#running.set(task, running);
    await running;
    this.#running.delete(task);
  }

  async #fill(task: BlobTask, known: readonly Holder[], signal: AbortSignal): Promise<void> {
    const refused = this.#refused.get(task.mapped.digest);
    const byPeer = new Map(known.map((holder) => [holder.info.id, holder]));
    const holders = Array.from(byPeer.values()).filter(({ info }) => !refused?.has(info.id));
    const missing = [...task.open.held.missing()].toReversed();
    const take = async (): Promise<void> => {
      for (let holder = holders.shift(); holder; holder = holders.shift()) {
        if (missing.length === 0 || signal.aborted || task.isSettled) return;
        await this.#takeFrom(holder, task, missing, signal);
      }
    };
    await Promise.all(Array.from({ length: MAX_HOLDERS }, take));
  }

  /** Takes pieces, the last of `missing` first, until there are none or the holder fails. */
  async #takeFrom(
    { info, key }: Holder,
    task: BlobTask,
    missing: number[],
    signal: AbortSignal,
  ): Promise<void> {
    const { deps, snapshot } = this.#context;
    const { digest } = task.mapped;
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    try {
      const channel = await HolderChannel.open(deps, info, { key, blob: task.mapped }, either);
      note(this.#used, digest, info.id);
      deps.logger.info('a blob is borrowed', { peer: info.id, digest, snapshot: snapshot.id });
      const lanes = Array.from({ length: REQUESTS }, () => this.#takeInTurn(channel, task, missing, either));
      try {
        await Promise.all(lanes);
      } finally {
        failed.abort();
        await Promise.allSettled(lanes);
        channel.close();
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isDiskError(error)) return this.#handlers.onDiskError(error);
      note(this.#refused, digest, info.id);
      const facts = { peer: info.id, digest, snapshot: snapshot.id, error: toErrorRecord(error) };
      deps.logger.warn('a holder does not lend a blob', facts);
    }
  }

  async #takeInTurn(
    channel: HolderChannel,
    task: BlobTask,
    missing: number[],
    signal: AbortSignal,
  ): Promise<void> {
    for (let index = missing.pop(); index !== undefined; index = missing.pop()) {
      const piece = index;
      if (task.isSettled || task.open.held.has(piece)) continue;
      try {
        await this.#context.deps.borrowSlots.run(() => this.#takePiece(channel, task, piece, signal));
      } catch (error) {
        missing.push(piece);
        throw error;
      }
    }
  }

  async #takePiece(
    channel: HolderChannel,
    task: BlobTask,
    index: number,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const { counters, feed } = this.#context;
    const { open, mapped } = task;
    await channel.fetch(index, signal, async ({ digest }, put) => {
      await open.fill(index, unsignedProof(digest), async (place) => {
        await put(place);
        counters.fromPeers += pieceSize(mapped, index);
      });
    });
    const piece = mapped.pieces.start + index;
    feed({ kind: 'stored', piece, from: channel.peer });
    this.#handlers.onStored(piece);
  }

  /**
   * The whole blob is not what was published: drops what was borrowed of it, and asks its lenders for it no more. Whether
   * there was anything.
   */
  async giveBack({ open, mapped: { digest } }: BlobTask): Promise<boolean> {
    const borrowed = unsignedPieces(open);
    if (borrowed.length === 0) return false;
    const lenders = [...(this.#used.get(digest) ?? [])];
    for (const lender of lenders) note(this.#refused, digest, lender);
    this.#used.delete(digest);
    const { deps, snapshot } = this.#context;
    deps.logger.warn('a borrowed blob was wrong', { digest, lenders, snapshot: snapshot.id });
    await open.drop(borrowed);
    return true;
  }
}

/** Pieces that nobody has vouched for. */
export function unsignedPieces(open: OpenBlob): number[] {
  return [...open.held.values()].filter((index) => {
    const known = open.proof(index);
    return known !== undefined && isUnsigned(known);
  });
}

function isIn(spans: readonly Range[], { pieces }: MappedBlob): boolean {
  return spans.some(({ start, end }) => start < pieces.end && end > pieces.start);
}

function note(sets: Map<Digest, Set<PeerId>>, digest: Digest, peer: PeerId): void {
  const set = sets.get(digest) ?? new Set();
  sets.set(digest, set.add(peer));
}
