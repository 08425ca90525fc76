// The source for files and folders of this machine. Its revision is a hash over paths, sizes and times of change; its
// digests are computed by reading every file at `list` (1.9 GiB/s a core, and a disk is near), and remembered while
// size and time stay the same.

import { createHash } from 'node:crypto';
import {
  AnaxError,
  type Digest,
  hasCode,
  type ListedFile,
  type OriginRef,
  type OriginStream,
  type ParseOptions,
  type PinnedRef,
  type Range,
  rangeLength,
  type Source,
  type SourceContext,
} from '../../core/index.ts';
import { BoundedMap } from '../bounded-map.ts';
import { filesUnder, pickFile } from '../listed-file.ts';
import { NO_BYTES, type WantedRange, wantedRange } from '../read-range.ts';
import { toFileError } from './file-error.ts';
import { FILE_SCHEME, formatFileUrl, parseFileUrl } from './file-url.ts';
import { digestOfFile, locate, readRangeOf } from './read-file.ts';
import { type LocalFile, walkFolder } from './walk-folder.ts';

/** Digests remembered, at most. */
const MAX_DIGESTS = 100_000;

export class FileSource implements Source {
  readonly schemes = [FILE_SCHEME];
  readonly #digests = new BoundedMap<string, Digest>(MAX_DIGESTS);

  parse(url: string, options: ParseOptions): OriginRef {
    return parseFileUrl(url, options);
  }

  format(ref: OriginRef): string {
    return formatFileUrl(ref);
  }

  async resolve(ref: OriginRef, context: SourceContext): Promise<PinnedRef> {
    const revision = revisionOf(await this.#walk(ref, context));
    if (ref.revision !== '' && ref.revision !== revision) {
      throw new AnaxError('revision_not_found', `${ref.repo} has other content by now`);
    }
    return { ...ref, revision, restricted: false };
  }

  async list(ref: PinnedRef, context: SourceContext): Promise<ListedFile[]> {
    const listed: ListedFile[] = [];
    for (const file of filesUnder(await this.#pinned(ref, context), ref.path)) {
      listed.push(await this.#listed(file, context));
    }
    return listed;
  }

  async stat(ref: PinnedRef, path: string, context: SourceContext): Promise<ListedFile> {
    return await this.#listed(pickFile(await this.#pinned(ref, context), path), context);
  }

  async exists(ref: OriginRef, context: SourceContext): Promise<boolean> {
    try {
      const files = await this.#walk(ref, context);
      return ref.revision === '' || ref.revision === revisionOf(files);
    } catch (error) {
      if (hasCode(error, 'file_not_found')) return false;
      throw error;
    }
  }

  /** The operating system has decided who runs this process. */
  async authorize(): Promise<void> {}

  async get(ref: PinnedRef, file: ListedFile, range: Range, context: SourceContext): Promise<OriginStream> {
    context.signal.throwIfAborted();
    const want = wantedRange(range, file.sizeBytes);
    if (rangeLength(range) === 0) return NO_BYTES;
    return this.#read(ref, file, want, context);
  }

  async *#read(
    { repo }: PinnedRef,
    { path }: ListedFile,
    { range, sizeBytes }: WantedRange,
    { signal }: SourceContext,
  ): AsyncGenerator<Uint8Array> {
    try {
      yield* readRangeOf(await locate(repo, path), range, sizeBytes, signal);
    } catch (error) {
      throw toFileError(error, path);
    }
  }

  /** Keeps nothing open. */
  async close(): Promise<void> {}

  async #walk(ref: OriginRef, context: SourceContext): Promise<LocalFile[]> {
    context.signal.throwIfAborted();
    try {
      return await walkFolder(ref.repo, context.signal);
    } catch (error) {
      throw toFileError(error, ref.repo);
    }
  }

  async #pinned(ref: PinnedRef, context: SourceContext): Promise<LocalFile[]> {
    const files = await this.#walk(ref, context);
    if (revisionOf(files) !== ref.revision) throw new AnaxError('origin_changed', ref.repo);
    return files;
  }

  async #listed(file: LocalFile, context: SourceContext): Promise<ListedFile> {
    const { path, sizeBytes } = file;
    const key = JSON.stringify([file.absolutePath, sizeBytes, `${file.modifiedNs}`, `${file.inode}`]);
    let digest = this.#digests.get(key);
    if (digest === undefined) {
      digest = await this.#digest(file, context);
      this.#digests.set(key, digest);
    }
    return { path, sizeBytes, digest };
  }

  async #digest(file: LocalFile, context: SourceContext): Promise<Digest> {
    try {
      return await digestOfFile(file, context.signal);
    } catch (error) {
      throw toFileError(error, file.path);
    }
  }
}

/** 128 bits of the sha256 over path, size and time of change of all files. */
function revisionOf(files: readonly LocalFile[]): string {
  const hash = createHash('sha256');
  for (const { path, sizeBytes, modifiedNs } of files) hash.update(`${path}\0${sizeBytes}\0${modifiedNs}\n`);
  return hash.digest('hex').slice(0, 32);
}
