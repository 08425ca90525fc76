// Small files, which have a blob of their own or are inside a pack: reads them, and puts those of packs out.

import { dirname, join } from 'node:path';
import {
  AnaxError,
  type BlobSpec,
  type Digest,
  MAX_PACKED_BYTES,
  type MaterializeMethod,
  type MaterializeOptions,
  type OpenBlob,
} from '../core/index.ts';
import type { Catalog, CompleteEntry } from './catalog.ts';
import { type MaterializeDeps, materializeBytes } from './materialize.ts';
import { SharedReads } from './shared-reads.ts';
import type { SmallFilePlacer } from './small-file-placer.ts';

export interface SmallFilesDeps extends MaterializeDeps {
  readonly catalog: Catalog;
  readonly placer: SmallFilePlacer;
  readonly open: (spec: BlobSpec) => Promise<OpenBlob>;
}

export class SmallFiles {
  readonly #deps: SmallFilesDeps;
  /** Packs whose files are put out. */
  readonly #packs = new SharedReads<Digest>();

  constructor(deps: SmallFilesDeps) {
    this.#deps = deps;
  }

  /** See `BlobStore.readSmall`. */
  async read(digest: Digest): Promise<Buffer | undefined> {
    const { catalog } = this.#deps;
    const own = catalog.get(catalog.resolve(digest));
    const { entry, part } = catalog.part(digest) ?? { entry: own, part: undefined };
    if (entry?.state !== 'complete') return undefined;
    const span = part ?? { offsetBytes: 0, sizeBytes: entry.spec.sizeBytes };
    if (span.sizeBytes > MAX_PACKED_BYTES) return undefined;
    return await this.#readFirstPiece(entry, span.offsetBytes, Buffer.allocUnsafe(span.sizeBytes));
  }

  /** Fills `bytes`; `undefined` where the piece is not held. */
  async #readFirstPiece(
    { spec }: CompleteEntry,
    offsetBytes: number,
    bytes: Buffer,
  ): Promise<Buffer | undefined> {
    const open = await this.#deps.open(spec);
    try {
      if (!open.held.has(0)) return undefined;
      await open.read(0, offsetBytes, bytes);
      return bytes;
    } finally {
      await open.close();
    }
  }

  /**
   * Puts a file of a pack out. Such files are wanted together: a pack is read once for all that are put out at the same
   * time. Throws `blob_not_found`, and as `materializeBytes`.
   */
  async materialize(digest: Digest, target: string, options: MaterializeOptions): Promise<MaterializeMethod> {
    const found = this.#deps.catalog.part(digest);
    if (!found) throw new AnaxError('blob_not_found', digest);
    const { entry, part } = found;
    const read = async (): Promise<Buffer> => {
      // Shared, so that the placer's thread has it without a copy.
      const memory = Buffer.from(new SharedArrayBuffer(entry.spec.sizeBytes));
      const bytes = await this.#readFirstPiece(entry, 0, memory);
      if (!bytes) throw new AnaxError('blob_not_found', digest);
      return bytes;
    };
    return await this.#packs.use(entry.spec.digest, read, async (pack) => {
      const bytes = pack.subarray(part.offsetBytes, part.offsetBytes + part.sizeBytes);
      return (await this.#isPlaced(bytes, target, options))
        ? 'copy'
        : await materializeBytes(this.#deps, bytes, target, options);
    });
  }

  /** The placer's one thread would wait for each flush by itself. */
  async #isPlaced(
    bytes: Uint8Array,
    target: string,
    { durable = true, replace }: MaterializeOptions,
  ): Promise<boolean> {
    const { placer, names } = this.#deps;
    if (durable) return false;
    return await placer.place({ bytes, temporary: join(dirname(target), names.next()), target, replace });
  }
}
