// One file of a swarm, read in order while it comes.
//
// Invariants: nothing is given out but pieces that a reader has signed, and whose bytes have the signed digest when they
// are read; the last piece only after the file's verdict, and only where all that was given out is what the verdict is
// about. So nobody gets the whole of a wrong file.

import {
  AnaxError,
  assert,
  type Digest,
  hasCode,
  isUnsigned,
  KiB,
  type MappedBlob,
  pieceSize,
} from '../core/index.ts';
import { type BlobTask, checkEmptyFile } from './blob-task.ts';
import type { FileReaders } from './file-readers.ts';
import { readGood } from './packs.ts';
import { pathOf, type SwarmContext } from './swarm-context.ts';

/** A piece goes out in parts of this. Through the control socket: with 1 MiB a daemon has 327 MiB resident, so 217. */
const CHUNK_BYTES = 64 * KiB;

/** A piece that is read wrong is waited for again so often. */
const MAX_DAMAGES = 3;

export class FileReader {
  readonly #context: SwarmContext;
  readonly #readers: FileReaders;
  readonly #digest: Digest;
  /** What the file is, or is in; none for an empty file. */
  readonly #blob: MappedBlob | undefined;
  readonly #id: number | undefined;
  /** Of the pieces that were given out. */
  readonly #givenOut: Uint8Array[] = [];
  #damages = 0;
  /** What wakes it when the blob is settled. */
  #awaited: Promise<void> | undefined;

  /** From now on its pieces are asked for first. */
  constructor(context: SwarmContext, readers: FileReaders, digest: Digest) {
    this.#context = context;
    this.#readers = readers;
    this.#digest = digest;
    this.#blob = context.map.blobWith(digest);
    this.#id = this.#blob && readers.enter(this.#blob.pieces);
  }

  /** Idempotent. */
  close(): void {
    if (this.#id !== undefined) this.#readers.leave(this.#id);
  }

  /**
   * The file's bytes, each chunk when the last was taken; a chunk is good until the next is asked for. Nothing of the
   * last piece comes before `approve`, which is called when the file is complete, has resolved. Throws why the file
   * can't be had, what `approve` throws, and the signal's reason. Once.
   */
  async *bytes(callerSignal: AbortSignal, approve: () => Promise<void>): AsyncGenerator<Uint8Array> {
    const signal = AbortSignal.any([callerSignal, this.#context.signal]);
    try {
      if (!this.#blob) return await this.#empty(approve);
      if (this.#blob.parts) yield* cut(await this.#packed(this.#blob, signal, approve));
      else yield* this.#pieces(this.#blob, signal, approve);
    } finally {
      this.close();
    }
  }

  async #empty(approve: () => Promise<void>): Promise<void> {
    checkEmptyFile(pathOf(this.#context, this.#digest), this.#digest);
    await approve();
  }

  /** A small file in a pack: all of it at once, when it was checked. */
  async #packed(blob: MappedBlob, signal: AbortSignal, approve: () => Promise<void>): Promise<Uint8Array> {
    const task = this.#taskOf(blob);
    for (;;) {
      await this.#until(task, signal, () => task.status === 'complete');
      await task.fileSettled(this.#digest);
      const bytes = await readGood(this.#context.deps.store, this.#digest);
      if (bytes) {
        await approve();
        return bytes;
      }
      await this.#damaged(task);
    }
  }

  async *#pieces(
    blob: MappedBlob,
    signal: AbortSignal,
    approve: () => Promise<void>,
  ): AsyncGenerator<Uint8Array> {
    const task = this.#taskOf(blob);
    const last = blob.pieces.end - blob.pieces.start - 1;
    const buffer = Buffer.allocUnsafe(Math.min(blob.pieceLengthBytes, blob.sizeBytes));
    for (let index = 0; index <= last; index += 1) {
      if (this.#id !== undefined) {
        const { start, end } = blob.pieces;
        this.#readers.move(this.#id, { start: start + index, end });
      }
      const bytes = buffer.subarray(0, pieceSize(blob, index));
      const isReady = () =>
        index < last ? isSigned(task, index) : task.status === 'complete' && task.open.held.has(index);
      do await this.#until(task, signal, isReady);
      while (!(await this.#read(task, index, bytes)));
      if (index === last) {
        this.#checkGivenOut(task);
        await approve();
      }
      yield* cut(bytes);
    }
  }

  #taskOf({ digest }: MappedBlob): BlobTask {
    const task = this.#context.tasks.get(digest);
    assert(task, 'a session that has started has a task for each blob');
    return task;
  }

  /** Resolves when it is so. Throws why the blob can't be had, or the signal's reason. */
  async #until(task: BlobTask, signal: AbortSignal, isSo: () => boolean): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (task.status === 'failed') throw task.error ?? new AnaxError('internal', task.path);
      if (isSo()) return;
      // A blob that is damaged after it was complete is settled a second time.
      if (this.#awaited !== task.settled) {
        this.#awaited = task.settled;
        const wake = (): void => this.#readers.wake();
        this.#awaited.then(wake, wake);
      }
      await this.#readers.change(signal);
    }
  }

  /** Reads a piece; false where it is not what was stored, and was dropped. */
  async #read(task: BlobTask, index: number, bytes: Uint8Array): Promise<boolean> {
    const { open } = task;
    const proof = open.proof(index);
    // It was dropped a moment ago.
    if (!proof) return false;
    try {
      await open.read(index, 0, bytes);
      const digest = this.#context.deps.hash(bytes);
      if (Buffer.compare(digest, proof.digest) === 0) {
        this.#givenOut[index] = digest;
        return true;
      }
      await open.drop([index]);
    } catch (error) {
      if (!hasCode(error, 'piece_corrupt', 'blob_not_found')) throw error;
    }
    await this.#damaged(task);
    return false;
  }

  /** The cache is not what it was: what is wrong of the blob is wanted again. */
  async #damaged(task: BlobTask): Promise<void> {
    this.#damages += 1;
    if (this.#damages > MAX_DAMAGES) throw new AnaxError('piece_corrupt', task.path);
    await this.#context.deps.onDamage(task.open.spec.digest);
  }

  /** What was wrong and came again after it had been given out makes the rest worth nothing. */
  #checkGivenOut(task: BlobTask): void {
    for (const [index, digest] of this.#givenOut.entries()) {
      const proof = task.open.proof(index);
      if (proof && Buffer.compare(proof.digest, digest) === 0) continue;
      throw new AnaxError('digest_mismatch', task.path, {
        hint: 'pieces that were given out turned out to be wrong; run the command again',
      });
    }
  }
}

/** Borrowed pieces are nobody's word until the whole was checked; a complete blob is. */
function isSigned({ open, status }: BlobTask, index: number): boolean {
  if (!open.held.has(index)) return false;
  if (status === 'complete') return true;
  const proof = open.proof(index);
  return proof !== undefined && !isUnsigned(proof);
}

function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}
