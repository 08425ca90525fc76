// Where things are under the store's folder:
//
//   owner.lock                        held by the process that owns the store (see owner-lock.ts)
//   name                              what the store is called in the names of temporary files outside it
//   pins.json                         what is never evicted
//   index.sqlite                      what start-up needs to know; can be rebuilt from the sidecars
//   blobs/<algorithm>/<2 hex>/<hex>         a complete blob, read-only
//   blobs/<algorithm>/<2 hex>/<hex>.pieces  its sidecar: cut, aliases, piece proofs
//   partial/<algorithm>-<hex>               a partial blob at its full length, sparse
//   partial/<algorithm>-<hex>.journal       its journal of verified pieces

import { join } from 'node:path';
import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../core/index.ts';

export const SIDECAR_SUFFIX = '.pieces';
export const JOURNAL_SUFFIX = '.journal';

export class Layout {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  get lockFile(): string {
    return join(this.folder, 'owner.lock');
  }

  get indexFile(): string {
    return join(this.folder, 'index.sqlite');
  }

  get nameFile(): string {
    return join(this.folder, 'name');
  }

  get pinsFile(): string {
    return join(this.folder, 'pins.json');
  }

  get blobsFolder(): string {
    return join(this.folder, 'blobs');
  }

  get partialFolder(): string {
    return join(this.folder, 'partial');
  }

  shardFolder(digest: Digest): string {
    return join(this.blobsFolder, digestAlgorithm(digest), digestHex(digest).slice(0, 2));
  }

  blob(digest: Digest): string {
    return join(this.shardFolder(digest), digestHex(digest));
  }

  sidecar(digest: Digest): string {
    return `${this.blob(digest)}${SIDECAR_SUFFIX}`;
  }

  partial(digest: Digest): string {
    return join(this.partialFolder, `${digestAlgorithm(digest)}-${digestHex(digest)}`);
  }

  journal(digest: Digest): string {
    return `${this.partial(digest)}${JOURNAL_SUFFIX}`;
  }
}

/** The digest that a name stands for, `undefined` where it stands for none. */
export function digestFromName(algorithm: string, hex: string): Digest | undefined {
  try {
    const digest = parseDigest(`${algorithm}:${hex}`);
    return digest === `${algorithm}:${hex}` ? digest : undefined;
  } catch {
    return undefined;
  }
}
