// A hub in memory behind the Source port, which counts what it is asked and fails as told.

import {
  AnaxError,
  type Credentials,
  digestOf,
  type ListedFile,
  type OriginRef,
  type OriginStream,
  type PinnedRef,
  parseRepoPath,
  type Range,
  type Source,
  type SourceContext,
} from '../../core/index.ts';

export const FAKE_REF: OriginRef = {
  scheme: 'fake',
  endpoint: 'https://hub.example',
  repo: 'acme/model',
  revision: 'main',
  path: '',
};

/** What `main` is pinned to. */
export const FAKE_COMMIT = 'c'.repeat(40);

export class FakeSource implements Source {
  readonly schemes = ['fake'];
  readonly files: Readonly<Record<string, Buffer>>;
  readonly calls = { resolve: 0, list: 0, authorize: 0 };
  /** Ranges that were asked for, in order. */
  readonly ranges: Range[] = [];
  restricted = false;
  /** Tokens that a restricted repository is given for. */
  readonly allowed = new Set<string>();
  /** Awaited before every answer. */
  gate: Promise<void> = Promise.resolve();
  /** Thrown by the next calls of a method, one each. */
  readonly failures: Partial<Record<'resolve' | 'list' | 'authorize', AnaxError[]>> = {};
  /** Cuts an answer into chunks, and may throw between them. */
  stream: (bytes: Buffer) => Iterable<Buffer> = (bytes) => [bytes];

  constructor(files: Readonly<Record<string, Buffer>>) {
    this.files = files;
  }

  listed(): ListedFile[] {
    return Object.entries(this.files).map(([path, bytes]) => ({
      path: parseRepoPath(path),
      sizeBytes: bytes.length,
      digest: digestOf('sha256', bytes),
    }));
  }

  pinned(): PinnedRef {
    return { ...FAKE_REF, revision: FAKE_COMMIT, restricted: this.restricted };
  }

  parse(): OriginRef {
    return FAKE_REF;
  }

  format({ repo, revision }: OriginRef): string {
    return `fake://${repo}@${revision}`;
  }

  async #asked(method: 'resolve' | 'list' | 'authorize'): Promise<void> {
    this.calls[method] += 1;
    await this.gate;
    const failure = this.failures[method]?.shift();
    if (failure) throw failure;
  }

  async resolve(ref: OriginRef): Promise<PinnedRef> {
    await this.#asked('resolve');
    return { ...ref, revision: FAKE_COMMIT, restricted: this.restricted };
  }

  async list(): Promise<ListedFile[]> {
    await this.#asked('list');
    return this.listed();
  }

  async stat(_ref: PinnedRef, path: string): Promise<ListedFile> {
    const file = this.listed().find((listed) => listed.path === path);
    if (!file) throw new AnaxError('file_not_found', path);
    return file;
  }

  async exists(): Promise<boolean> {
    return true;
  }

  async authorize(_ref: PinnedRef, { credentials }: SourceContext): Promise<void> {
    await this.#asked('authorize');
    if (!this.#isAllowed(credentials)) throw new AnaxError('access_denied', FAKE_REF.repo);
  }

  #isAllowed({ token }: Credentials): boolean {
    return token !== undefined && this.allowed.has(token.reveal());
  }

  async get(
    _ref: PinnedRef,
    file: ListedFile,
    range: Range,
    { signal }: SourceContext,
  ): Promise<OriginStream> {
    this.ranges.push(range);
    return this.#read(file, range, signal);
  }

  async *#read(file: ListedFile, range: Range, signal: AbortSignal): AsyncGenerator<Buffer> {
    const bytes = this.files[file.path];
    if (!bytes) throw new AnaxError('file_not_found', file.path);
    for (const chunk of this.stream(bytes.subarray(range.start, range.end))) {
      signal.throwIfAborted();
      yield chunk;
    }
  }

  async close(): Promise<void> {
    // Nothing is kept.
  }
}
