// What this host says of the complete blobs that it holds, so that readers of other swarms find them (docs/adr/0011):
// all that are large enough when it attends a scheduler, changes later, together.
//
// Invariant: a blob is lent under the keys that were said, and no others: those of hubs that list it.

import {
  type BlobKey,
  blobKey,
  type Digest,
  digestAlgorithm,
  MIN_PIECE_LENGTH_BYTES,
  type StoredBlob,
  type StoredSnapshot,
} from '../core/index.ts';
import type { Statement } from '../scheduler-server/index.ts';
import { originOf } from './origin-budget.ts';

/** Changes of so long are told in one message. */
const GATHER_MS = 1_000;
/** Blobs that are told of, the largest first. */
const MAX_BLOBS = 4_096;

type BlobsHeld = Extract<Statement, { kind: 'blobsHeld' }>;

/** Whether a blob is worth a search: one that saves requests alone is not. */
export function isShareable({ digest, sizeBytes }: Pick<StoredBlob, 'digest' | 'sizeBytes'>): boolean {
  return sizeBytes >= MIN_PIECE_LENGTH_BYTES && digestAlgorithm(digest) === 'sha256';
}

export interface HeldBlobsDeps {
  /** Whether others can take from this host: else nothing is told. */
  readonly mayLend: boolean;
  readonly store: { list(): StoredBlob[] };
  /** Hubs that the operator set up, by scheme: what they list for everybody is public. */
  readonly hubEndpoints: Readonly<Record<string, string>>;
  readonly tell: (statement: BlobsHeld) => void;
}

export class HeldBlobs {
  readonly #deps: HeldBlobsDeps;
  /** What a blob may be asked for by, from the snapshots that this host knows. */
  readonly #keys = new Map<Digest, Set<BlobKey>>();
  /** The stored blob behind each key that was told. */
  #told = new Map<BlobKey, Digest>();
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: HeldBlobsDeps) {
    this.#deps = deps;
  }

  /** A snapshot lists its blobs under its hub, and as public where that holds. */
  learn({ ref, manifest }: StoredSnapshot): void {
    const hub = originOf(ref.endpoint);
    if (hub === '') return;
    const isPublic = !ref.restricted && this.#deps.hubEndpoints[ref.scheme] === ref.endpoint;
    for (const file of manifest.files) {
      if (!isShareable(file)) continue;
      const keys = this.#keys.get(file.digest) ?? new Set();
      keys.add(blobKey(file.digest, { hub }));
      if (isPublic) keys.add(blobKey(file.digest, 'public'));
      this.#keys.set(file.digest, keys);
    }
  }

  /** The stored blob that a key means, if it may be lent. */
  blobOf(key: BlobKey): Digest | undefined {
    return this.#told.get(key);
  }

  /** A scheduler is there that knows nothing. */
  tellAll(): void {
    if (!this.#deps.mayLend) return;
    this.#told = this.#current();
    this.#deps.tell({ kind: 'blobsHeld', isAll: true, gained: [...this.#told.keys()], lost: [] });
  }

  /** Blobs came or went. */
  changed(): void {
    if (this.#deps.mayLend) this.#timer ??= setTimeout(() => this.#tellChanges(), GATHER_MS).unref();
  }

  #tellChanges(): void {
    this.#timer = undefined;
    const now = this.#current();
    const gained = [...now.keys()].filter((key) => !this.#told.has(key));
    const lost = [...this.#told.keys()].filter((key) => !now.has(key));
    this.#told = now;
    if (gained.length + lost.length > 0) this.#deps.tell({ kind: 'blobsHeld', isAll: false, gained, lost });
  }

  #current(): Map<BlobKey, Digest> {
    const current = new Map<BlobKey, Digest>();
    const complete = this.#deps.store
      .list()
      .filter(({ state, parts }) => state === 'complete' && parts.length === 0);
    const large = complete.filter(({ sizeBytes }) => sizeBytes >= MIN_PIECE_LENGTH_BYTES);
    const largest = large.toSorted((one, other) => other.sizeBytes - one.sizeBytes).slice(0, MAX_BLOBS);
    for (const { digest, aliases } of largest) {
      for (const name of [digest, ...aliases]) {
        for (const key of this.#keys.get(name) ?? []) current.set(key, digest);
      }
    }
    return current;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
