// One blob in memory, and a user's handle on it.

import { readSync, writeSync } from 'node:fs';
import {
  AnaxError,
  assert,
  Bitfield,
  type BlobSpec,
  type Digest,
  digestOf,
  type FileSpan,
  type OpenBlob,
  type PieceProof,
  type PieceSpan,
  pieceCount,
  pieceSize,
  type StoredBlob,
  type StoredPart,
  type WholeDigests,
} from '../../core/index.ts';
import { borrowFile } from './borrowed-file.ts';

export class MemoryBlob {
  readonly spec: BlobSpec;
  readonly held: Bitfield;
  readonly bytes: Uint8Array;
  readonly #proofs = new Map<number, PieceProof>();
  readonly #onDiscard: () => void;
  #full = Promise.withResolvers<void>();
  aliases: readonly Digest[] = [];
  parts: readonly StoredPart[] = [];
  state: 'partial' | 'complete' = 'partial';
  users = 0;
  lastUsedAtMs = 0;
  #gone = false;

  constructor(spec: BlobSpec, onDiscard: () => void) {
    this.spec = spec;
    this.held = new Bitfield(pieceCount(spec));
    this.bytes = new Uint8Array(spec.sizeBytes);
    this.#onDiscard = onDiscard;
  }

  describe(): StoredBlob {
    const { spec, aliases, parts, state, lastUsedAtMs } = this;
    let heldBytes = 0;
    for (const index of this.held.values()) heldBytes += pieceSize(spec, index);
    return { ...spec, aliases, parts, state, heldBytes, lastUsedAtMs };
  }

  proof(index: number): PieceProof | undefined {
    return this.held.has(index) ? this.#proofs.get(index) : undefined;
  }

  setProof(index: number, proof: PieceProof): void {
    this.#assertHeld(index);
    const before = this.#proofs.get(index);
    assert(before && Buffer.from(before.digest).equals(proof.digest), 'the new proof is of the same piece');
    this.#proofs.set(index, copyProof(proof));
  }

  write(index: number, bytes: Uint8Array, proof: PieceProof): void {
    assert(bytes.length === pieceSize(this.spec, index), 'a piece is written whole');
    this.#assertPresent();
    if (this.held.has(index)) return;
    this.bytes.set(bytes, index * this.spec.pieceLengthBytes);
    this.#proofs.set(index, copyProof(proof));
    this.held.add(index);
    if (this.held.isFull) this.#full.resolve();
  }

  async fill(index: number, proof: PieceProof, put: (place: FileSpan) => Promise<void>): Promise<void> {
    this.#assertPresent();
    if (this.held.has(index)) return;
    const { fd, release } = borrowFile();
    try {
      const bytes = new Uint8Array(pieceSize(this.spec, index));
      await put({ fd, offsetBytes: bytes.length });
      readSync(fd, bytes, 0, bytes.length, bytes.length);
      this.write(index, bytes, proof);
    } finally {
      release();
    }
  }

  span(index: number): PieceSpan {
    this.#assertHeld(index);
    const start = index * this.spec.pieceLengthBytes;
    const end = this.state === 'complete' ? this.bytes.length : start + pieceSize(this.spec, index);
    const { fd, release } = borrowFile();
    writeSync(fd, this.bytes, start, end - start, start);
    return { fd, offsetBytes: start, release };
  }

  read(index: number, offset: number, target: Uint8Array): void {
    assert(offset >= 0 && offset + target.length <= pieceSize(this.spec, index), 'a read stays in its piece');
    this.#assertHeld(index);
    const start = index * this.spec.pieceLengthBytes + offset;
    target.set(this.bytes.subarray(start, start + target.length));
  }

  async wholeDigests(signal: AbortSignal): Promise<WholeDigests> {
    signal.throwIfAborted();
    this.#assertPresent();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (!this.held.isFull) await Promise.race([this.#full.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    return { sha256: digestOf('sha256', this.bytes), gitSha1: digestOf('git-sha1', this.bytes) };
  }

  commit(aliases: readonly Digest[], parts: readonly StoredPart[] = []): void {
    this.#assertPresent();
    assert(this.held.isFull, 'only a blob with all its pieces can be committed');
    const all = [...new Set([...this.aliases, ...aliases])];
    this.aliases = all.filter((alias) => alias !== this.spec.digest);
    if (this.state === 'partial') this.parts = parts;
    this.state = 'complete';
  }

  drop(indexes: readonly number[]): void {
    this.#assertPresent();
    const dropped = indexes.filter((index) => this.held.delete(index));
    if (dropped.length === 0) return;
    this.#full = Promise.withResolvers<void>();
    this.state = 'partial';
    this.aliases = [];
    this.parts = [];
  }

  discard(): void {
    this.#assertPresent();
    for (const index of this.held.values()) this.held.delete(index);
    this.#gone = true;
    this.state = 'partial';
    this.#full.reject(this.#goneError());
    this.#full.promise.catch(() => undefined);
    this.#onDiscard();
  }

  /** One user less. Where nothing came in, the last one leaves nothing behind. */
  release(): void {
    this.users -= 1;
    const isEmpty = this.state === 'partial' && this.held.count === 0;
    if (this.users === 0 && isEmpty && !this.#gone) this.#onDiscard();
  }

  #assertHeld(index: number): void {
    this.#assertPresent();
    if (!this.held.has(index)) throw new AnaxError('blob_not_found', `piece ${index} is not held`);
  }

  #assertPresent(): void {
    if (this.#gone) throw this.#goneError();
  }

  #goneError(): AnaxError {
    return new AnaxError('blob_not_found', `${this.spec.digest} was discarded`);
  }
}

function copyProof({ digest, signer, signature }: PieceProof): PieceProof {
  return { digest: new Uint8Array(digest), signer, signature: new Uint8Array(signature) };
}

/** A handle; each method but `close` asserts that it is not closed. */
export function openMemoryBlob(blob: MemoryBlob): OpenBlob {
  let closed = false;
  const open = (): MemoryBlob => {
    assert(!closed, 'a closed handle is not used');
    return blob;
  };
  blob.users += 1;
  return {
    spec: blob.spec,
    get state() {
      return blob.state;
    },
    held: blob.held,
    proof: (index) => open().proof(index),
    setProof: async (index, proof) => open().setProof(index, proof),
    write: async (index, bytes, proof) => open().write(index, bytes, proof),
    fill: async (index, proof, put) => await open().fill(index, proof, put),
    span: (index) => open().span(index),
    read: async (index, offset, target) => open().read(index, offset, target),
    wholeDigests: async (signal) => await open().wholeDigests(signal),
    commit: async (aliases, parts) => open().commit(aliases, parts),
    drop: async (indexes) => open().drop(indexes),
    discard: async () => open().discard(),
    close: async () => {
      if (!closed) blob.release();
      closed = true;
    },
  };
}
