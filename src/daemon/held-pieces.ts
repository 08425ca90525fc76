// What one swarm's machine takes to be held, kept in step with the store: that gets pieces by way of other swarms of
// this host as well, and may drop some from under the session.

import type { Digest } from '../core/index.ts';
import type { SwarmState } from '../swarm/index.ts';
import type { BlobTask } from './blob-task.ts';
import { locateTask, type SwarmContext } from './swarm-context.ts';

export interface HeldPiecesHandlers {
  /** `undefined` until the session has opened its blobs. */
  readonly state: () => SwarmState | undefined;
  /** Something about the blob changed. */
  readonly onChange: (task: BlobTask) => void;
  /** Pieces are wanted again; the machine knows. */
  readonly onLost: () => void;
}

export class HeldPieces {
  readonly #context: SwarmContext;
  readonly #handlers: HeldPiecesHandlers;

  constructor(context: SwarmContext, handlers: HeldPiecesHandlers) {
    this.#context = context;
    this.#handlers = handlers;
  }

  /** The machine, while the session takes part in the swarm. */
  get #state(): SwarmState | undefined {
    return this.#context.signal.aborted ? undefined : this.#handlers.state();
  }

  get count(): number {
    return this.#handlers.state()?.held.count ?? 0;
  }

  get bytes(): number {
    let bytes = 0;
    for (const task of this.#context.tasks.values()) bytes += task.heldBytes;
    return bytes;
  }

  /** The blob that a piece of the snapshot is in, and its place there; `undefined` for what is none. */
  find(piece: number): { task: BlobTask; index: number } | undefined {
    return this.#state && piece < this.#context.map.pieceCount ? locateTask(this.#context, piece) : undefined;
  }

  /** This swarm has stored a piece: others of this host may lack it, too. */
  stored(piece: number): void {
    const { deps, snapshot } = this.#context;
    const { task, index } = locateTask(this.#context, piece);
    deps.onPiece(task.open.spec.digest, index, snapshot.id);
    this.#handlers.onChange(task);
  }

  /** Another swarm of this host has stored a piece of a blob that may be in this one as well. */
  noteStored(digest: Digest, index: number): void {
    const { deps, tasks, feed } = this.#context;
    const task = tasks.get(digest);
    if (!task || task.isSettled || task.open.spec.digest !== digest || !this.#state) return;
    const piece = task.mapped.pieces.start + index;
    if (this.#state.held.has(piece)) return;
    feed({ kind: 'stored', piece, from: deps.identity.id });
    this.#handlers.onChange(task);
  }

  /** Takes note of pieces that the store has dropped from under the session: they are wanted again. */
  resync(): void {
    const held = this.#state?.held;
    if (!held) return;
    const lost: number[] = [];
    for (const task of this.#context.tasks.values()) {
      const { open, mapped, status } = task;
      if (status === 'failed') continue;
      for (const index of open.held.missing()) {
        if (held.has(mapped.pieces.start + index)) lost.push(mapped.pieces.start + index);
      }
      if (status !== 'complete' || open.state === 'complete') continue;
      task.reopen();
      this.#handlers.onChange(task);
    }
    if (lost.length === 0) return;
    this.#context.feed({ kind: 'dropped', pieces: lost });
    this.#handlers.onLost();
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
}
