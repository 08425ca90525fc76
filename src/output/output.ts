// The words of this folder: an output takes a snapshot's files one by one, in any order and several at a time, and is
// finished once they are in. What it needs of the store is passed in.

import {
  AnaxError,
  type Digest,
  type ManifestFile,
  type MaterializeMethod,
  type MaterializeOptions,
  MiB,
  systemErrorCode,
  type TemporaryNames,
  toAnaxError,
} from '../core/index.ts';

/** How a file came to its place; `kept` where it was there already, with the right content. */
export type FileOutcome = MaterializeMethod | 'kept';

export interface Output {
  /**
   * Whether the file is in its place with the right content: then it need not be fetched. Reads what is there. Throws
   * `output_exists` where `write` would, as far as that can be known before.
   */
  has(file: ManifestFile): Promise<boolean>;
  /**
   * Puts a file into its place; the store holds its blob, complete. Throws `output_exists`, `output_unwritable`,
   * `disk_full`, and what `materialize` throws.
   */
  write(file: ManifestFile): Promise<FileOutcome>;
  /** Where the file is put: an absolute path. */
  target(file: ManifestFile): string;
  /** To be called when all files are in. */
  finish(): Promise<void>;
}

export interface OutputDeps {
  readonly temporaryNames: TemporaryNames;
  /** Puts a complete blob at an absolute path: `BlobStore.materialize`. */
  readonly materialize: (
    digest: Digest,
    target: string,
    options: MaterializeOptions,
  ) => Promise<MaterializeMethod>;
  /** Other digests of the same bytes, where known: lets files of `origin:` digests be recognised. Default: none. */
  readonly aliases?: (digest: Digest) => Promise<readonly Digest[]>;
}

export interface OutputOptions {
  /** Replace files that exist with other content. */
  readonly overwrite: boolean;
}

/** Up to here a file is a private copy: people edit configurations, and a copy costs little. */
export const COPY_UP_TO_BYTES = 1 * MiB;

/** A system error at a path of the user: `output_unwritable`, `disk_full` or `disk_io`. */
export function toOutputError(error: unknown): unknown {
  const code = systemErrorCode(error);
  if (error instanceof AnaxError || code === undefined) return error;
  // What `mkdir` says of a file where a folder is to be.
  return toAnaxError(error, code === 'EEXIST' ? 'output_unwritable' : 'disk_io');
}

export async function onOutput<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toOutputError(error);
  }
}
