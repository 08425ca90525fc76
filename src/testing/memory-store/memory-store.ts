// The in-memory twin of the disk store: the same port, held to the same conformance suite. It writes to disk only where
// the port is about that (`materialize`), and never gives a hard link, so an output can't change a blob.

import { link, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  AnaxError,
  assert,
  type BlobSpec,
  type BlobStore,
  type Digest,
  digestOf,
  MAX_PACKED_BYTES,
  type MaterializeMethod,
  type MaterializeOptions,
  type OpenBlob,
  type Pin,
  pieceLengthFor,
  type SnapshotId,
  type StoredBlob,
  type StoredSnapshot,
  systemErrorCode,
  temporaryNames,
} from '../../core/index.ts';
import { MemoryBlob, openMemoryBlob } from './memory-blob.ts';

const EMPTY = new Uint8Array(0);
const EMPTY_DIGESTS: readonly Digest[] = [digestOf('sha256', EMPTY), digestOf('git-sha1', EMPTY)];

/** `now` gives milliseconds, for `lastUsedAtMs`; default the number of calls so far. */
export class MemoryBlobStore implements BlobStore {
  readonly #now: () => number;
  readonly #blobs = new Map<Digest, MemoryBlob>();
  readonly #snapshots = new Map<SnapshotId, StoredSnapshot>();
  readonly #refs = new Map<string, SnapshotId>();
  readonly #pins = new Map<string, Pin>();
  readonly temporaryNames = temporaryNames('0123456789abcdef', 'fedcba9876543210');
  #calls = 0;

  constructor(now?: () => number) {
    this.#now = now ?? (() => ++this.#calls);
  }

  // oxlint-disable-next-line typescript/require-await -- the port is asynchronous
  async open(asked: BlobSpec): Promise<OpenBlob> {
    assert(asked.sizeBytes > 0, 'an empty blob has no pieces and is not opened');
    const blob = this.#lookUp(asked.digest) ?? this.#create(asked);
    if (blob.spec.sizeBytes !== asked.sizeBytes) throw new AnaxError('digest_mismatch', asked.digest);
    if (blob.spec.pieceLengthBytes !== asked.pieceLengthBytes) {
      if (blob.state === 'partial' && blob.users === 0) {
        this.#blobs.delete(asked.digest);
        return await this.open(asked);
      }
      throw new AnaxError('peer_protocol', asked.digest);
    }
    blob.lastUsedAtMs = this.#now();
    return openMemoryBlob(blob);
  }

  #create({ digest, sizeBytes, pieceLengthBytes }: BlobSpec): MemoryBlob {
    const blob = new MemoryBlob({ digest, sizeBytes, pieceLengthBytes }, () => this.#blobs.delete(digest));
    this.#blobs.set(digest, blob);
    return blob;
  }

  #lookUp(digest: Digest): MemoryBlob | undefined {
    const own = this.#blobs.get(digest);
    if (own?.state === 'complete') return own;
    const byAlias = [...this.#blobs.values()].find(
      (blob) => blob.state === 'complete' && blob.aliases.includes(digest),
    );
    return byAlias ?? own;
  }

  // oxlint-disable-next-line typescript/require-await -- the port is asynchronous
  async find(digest: Digest): Promise<StoredBlob | undefined> {
    const blob = this.#lookUp(digest);
    if (blob?.state !== 'complete') return this.#findPart(digest)?.described;
    blob.lastUsedAtMs = this.#now();
    return blob.describe();
  }

  #findPart(name: Digest): { bytes: Buffer; described: StoredBlob } | undefined {
    for (const { spec, state, parts, bytes, lastUsedAtMs } of this.#blobs.values()) {
      const part = parts.find(({ digests }) => digests.includes(name));
      if (state === 'partial' || !part) continue;
      const { digests, offsetBytes, sizeBytes } = part;
      const [digest, ...aliases] = digests;
      const pieceLengthBytes = pieceLengthFor(sizeBytes);
      const named = { digest, aliases, parts: [], pack: spec.digest, sizeBytes, pieceLengthBytes };
      return {
        bytes: Buffer.from(bytes.subarray(offsetBytes, offsetBytes + sizeBytes)),
        described: { ...named, state, heldBytes: sizeBytes, lastUsedAtMs },
      };
    }
    return undefined;
  }

  // oxlint-disable-next-line typescript/require-await -- the port is asynchronous
  async readSmall(digest: Digest): Promise<Buffer | undefined> {
    const blob = this.#lookUp(digest);
    if (blob?.state !== 'complete') return this.#findPart(digest)?.bytes;
    return blob.spec.sizeBytes <= MAX_PACKED_BYTES ? Buffer.from(blob.bytes) : undefined;
  }

  list(): StoredBlob[] {
    return [...this.#blobs.values()].map((blob) => blob.describe());
  }

  // oxlint-disable-next-line typescript/require-await -- the port is asynchronous
  async remove(digest: Digest): Promise<boolean> {
    const blob = this.#lookUp(digest);
    if (!blob) return false;
    if (blob.users > 0) throw new AnaxError('store_locked', digest);
    return this.#blobs.delete(blob.spec.digest);
  }

  async materialize(digest: Digest, target: string, options: MaterializeOptions): Promise<MaterializeMethod> {
    const blob = this.#lookUp(digest);
    const small = EMPTY_DIGESTS.includes(digest) ? EMPTY : this.#findPart(digest)?.bytes;
    const bytes = blob?.state === 'complete' ? blob.bytes : small;
    if (!bytes) throw new AnaxError('blob_not_found', digest);
    const temporary = join(dirname(target), this.temporaryNames.next());
    try {
      await writeFile(temporary, bytes, { flag: 'wx' });
      if (options.replace) await rename(temporary, target);
      else await link(temporary, target);
    } catch (error) {
      const code = systemErrorCode(error) === 'EEXIST' ? 'output_exists' : 'output_unwritable';
      throw new AnaxError(code, target, { cause: error });
    } finally {
      await rm(temporary, { force: true });
    }
    return 'copy';
  }

  // oxlint-disable-next-line typescript/require-await -- the port is asynchronous
  async putSnapshot(snapshot: StoredSnapshot, refKey: string): Promise<void> {
    this.#snapshots.delete(snapshot.id);
    this.#snapshots.set(snapshot.id, snapshot);
    this.#refs.set(refKey, snapshot.id);
  }

  // oxlint-disable-next-line typescript/require-await -- the port is asynchronous
  async pin(pin: Pin): Promise<void> {
    this.#pins.set(pin.name, pin);
  }

  // oxlint-disable-next-line typescript/require-await -- the port is asynchronous
  async unpin(name: string): Promise<boolean> {
    return this.#pins.delete(name);
  }

  pins(): readonly Pin[] {
    return [...this.#pins.values()];
  }

  snapshot(id: SnapshotId): StoredSnapshot | undefined {
    return this.#snapshots.get(id);
  }

  snapshots(): StoredSnapshot[] {
    return [...this.#snapshots.values()].toReversed();
  }

  snapshotByRef(refKey: string): StoredSnapshot | undefined {
    const id = this.#refs.get(refKey);
    return id === undefined ? undefined : this.#snapshots.get(id);
  }
}
