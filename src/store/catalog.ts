// What the store holds, in memory: one entry a blob, partial or complete, and the way from an alias or a part to its
// blob. It owns
// the index: every change of a complete blob goes there, too. A failing index is logged and otherwise ignored, since
// it can be rebuilt.

import {
  assert,
  type Bitfield,
  type BlobSpec,
  type Clock,
  type Digest,
  type Logger,
  pieceLengthFor,
  type StoredBlob,
  type StoredPart,
} from '../core/index.ts';
import type { Fingerprint } from './fingerprint.ts';
import type { IndexDatabase } from './index-database.ts';
import { heldBytesOf } from './partial-file.ts';

export interface PartialEntry {
  readonly state: 'partial';
  readonly spec: BlobSpec;
  /** Live while the blob is open. */
  readonly held: Bitfield;
  lastUsedAtMs: number;
}

export interface CompleteEntry {
  readonly state: 'complete';
  readonly spec: BlobSpec;
  readonly aliases: readonly Digest[];
  readonly parts: readonly StoredPart[];
  readonly fingerprint: Fingerprint;
  lastUsedAtMs: number;
}

/** A file inside a complete pack. */
export interface FoundPart {
  readonly entry: CompleteEntry;
  readonly part: StoredPart;
}

export type CatalogEntry = PartialEntry | CompleteEntry;

/** How stale "last used" may be in the index: it only orders evictions after a restart. */
const LAST_USED_STEP_MS = 60_000;

export class Catalog {
  readonly #index: IndexDatabase;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #entries = new Map<Digest, CatalogEntry>();
  readonly #aliases = new Map<Digest, Digest>();
  readonly #parts = new Map<Digest, FoundPart>();

  constructor(deps: { index: IndexDatabase; clock: Clock; logger: Logger }) {
    this.#index = deps.index;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** Fills the catalog at start-up with what the index already says. */
  load(entries: Iterable<CatalogEntry>): void {
    for (const entry of entries) this.#add(entry);
  }

  /** The digest that a blob is kept under: a complete blob's own or the one it is an alias of, else `digest`. */
  resolve(digest: Digest): Digest {
    if (this.#entries.get(digest)?.state === 'complete') return digest;
    return this.#aliases.get(digest) ?? digest;
  }

  get(digest: Digest): CatalogEntry | undefined {
    return this.#entries.get(digest);
  }

  part(digest: Digest): FoundPart | undefined {
    return this.#parts.get(digest);
  }

  entries(): IterableIterator<CatalogEntry> {
    return this.#entries.values();
  }

  put(entry: CatalogEntry): void {
    const before = this.#entries.get(entry.spec.digest);
    this.#forget(entry.spec.digest);
    this.#add(entry);
    if (entry.state === 'complete') this.#save([entry]);
    else if (before?.state === 'complete') this.#unsave(entry.spec.digest);
  }

  remove(digest: Digest): void {
    if (this.#entries.get(digest)?.state === 'complete') this.#unsave(digest);
    this.#forget(digest);
  }

  /** A piece of the blob was given out. */
  used(digest: Digest): void {
    const entry = this.#entries.get(digest);
    if (entry) this.touch(entry);
  }

  touch(entry: CatalogEntry): void {
    const before = entry.lastUsedAtMs;
    entry.lastUsedAtMs = this.#clock.now();
    const stale = Math.abs(entry.lastUsedAtMs - before) >= LAST_USED_STEP_MS;
    if (entry.state === 'complete' && stale) this.#save([entry]);
  }

  #add(entry: CatalogEntry): void {
    assert(!this.#entries.has(entry.spec.digest), 'a blob has one entry');
    this.#entries.set(entry.spec.digest, entry);
    if (entry.state === 'partial') return;
    for (const alias of entry.aliases) this.#aliases.set(alias, entry.spec.digest);
    for (const part of entry.parts) for (const name of part.digests) this.#parts.set(name, { entry, part });
  }

  #forget(digest: Digest): void {
    const entry = this.#entries.get(digest);
    this.#entries.delete(digest);
    if (entry?.state !== 'complete') return;
    for (const alias of entry.aliases) if (this.#aliases.get(alias) === digest) this.#aliases.delete(alias);
    for (const { digests } of entry.parts) {
      for (const name of digests) if (this.#parts.get(name)?.entry === entry) this.#parts.delete(name);
    }
  }

  #save(entries: readonly CompleteEntry[]): void {
    this.#tryIndex(() => this.#index.putBlobs(entries.map(toIndexed)));
  }

  #unsave(digest: Digest): void {
    this.#tryIndex(() => this.#index.removeBlobs([digest]));
  }

  #tryIndex(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#logger.warn('the index of the store could not be written', { error: String(error) });
    }
  }
}

function toIndexed(entry: CompleteEntry): CompleteEntry & BlobSpec {
  return { ...entry, ...entry.spec };
}

export function toStoredBlob(entry: CatalogEntry): StoredBlob {
  const { spec, state, lastUsedAtMs } = entry;
  const common = { ...spec, state, lastUsedAtMs };
  return entry.state === 'complete'
    ? { ...common, aliases: entry.aliases, parts: entry.parts, heldBytes: spec.sizeBytes }
    : { ...common, aliases: [], parts: [], heldBytes: heldBytesOf(spec, entry.held) };
}

/** A file inside a pack, described like a blob of its own. */
export function partAsBlob({ entry, part }: FoundPart): StoredBlob {
  const { sizeBytes, digests } = part;
  const [digest, ...aliases] = digests;
  return {
    digest,
    sizeBytes,
    pieceLengthBytes: pieceLengthFor(sizeBytes),
    aliases,
    parts: [],
    pack: entry.spec.digest,
    state: 'complete',
    heldBytes: sizeBytes,
    lastUsedAtMs: entry.lastUsedAtMs,
  };
}
