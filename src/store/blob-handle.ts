// One user's hold on an open blob: the port's face of a SharedBlob, which it gives up once.

import {
  assert,
  type Bitfield,
  type BlobSpec,
  type Digest,
  type FileSpan,
  type OpenBlob,
  type PieceProof,
  type PieceSpan,
  type StoredPart,
  type WholeDigests,
} from '../core/index.ts';
import type { SharedBlob } from './shared-blob.ts';

export class BlobHandle implements OpenBlob {
  readonly #blob: SharedBlob;
  #release: (() => Promise<void>) | undefined;

  constructor(blob: SharedBlob, release: () => Promise<void>) {
    this.#blob = blob;
    this.#release = release;
  }

  get spec(): BlobSpec {
    return this.#blob.spec;
  }

  get state(): 'partial' | 'complete' {
    return this.#blob.state;
  }

  get held(): Bitfield {
    return this.#blob.held;
  }

  proof(index: number): PieceProof | undefined {
    return this.#open().proof(index);
  }

  async setProof(index: number, proof: PieceProof): Promise<void> {
    await this.#open().setProof(index, proof);
  }

  async write(index: number, bytes: Uint8Array, proof: PieceProof): Promise<void> {
    await this.#open().write(index, bytes, proof);
  }

  async fill(index: number, proof: PieceProof, put: (place: FileSpan) => Promise<void>): Promise<void> {
    await this.#open().fill(index, proof, put);
  }

  span(index: number): PieceSpan {
    return this.#open().span(index);
  }

  async read(index: number, offset: number, target: Uint8Array): Promise<void> {
    await this.#open().read(index, offset, target);
  }

  async wholeDigests(signal: AbortSignal): Promise<WholeDigests> {
    return await this.#open().wholeDigests(signal);
  }

  async commit(aliases: readonly Digest[], parts?: readonly StoredPart[]): Promise<void> {
    await this.#open().commit(aliases, parts);
  }

  async drop(indexes: readonly number[]): Promise<void> {
    await this.#open().drop(indexes);
  }

  async discard(): Promise<void> {
    await this.#open().discard();
  }

  async close(): Promise<void> {
    const release = this.#release;
    this.#release = undefined;
    await release?.();
  }

  #open(): SharedBlob {
    assert(this.#release, 'a closed handle is not used');
    return this.#blob;
  }
}
