// The source for plain web servers: a URL is a snapshot of one file. Its version is the server's strong ETag or date of
// change, its identity a hash over URL, version and size; every read carries the version as a condition, so that a file
// that changes in between is `origin_changed` and never a mix.

import {
  AnaxError,
  hasCode,
  type ListedFile,
  type OriginRef,
  type OriginStream,
  originDigest,
  type ParseOptions,
  type PinnedRef,
  type Range,
  rangeLength,
  redactUrl,
  type Source,
  type SourceContext,
} from '../../core/index.ts';
import { BoundedMap } from '../bounded-map.ts';
import { fingerprint, isAnonymous } from '../credentials.ts';
import { filesUnder, pickFile } from '../listed-file.ts';
import { discard, drop, type OriginClient } from '../origin-client.ts';
import { NO_BYTES, openRange, rangeHeaders, wantedRange } from '../read-range.ts';
import { httpError } from './http-error.ts';
import { fileUrl, formatHttpUrl, HTTP_SCHEMES, parseHttpUrl } from './http-url.ts';
import { type Probe, probe } from './probe.ts';
import { conditionHeaders, formatValidator, mayBe, parseValidator, type Validator } from './validator.ts';

/** Probes that `list` after `resolve` need not repeat, at most. */
const MAX_PROBES = 1024;

export class HttpSource implements Source {
  readonly schemes = HTTP_SCHEMES;
  readonly #client: OriginClient;
  /** By pinned ref and credentials. */
  readonly #probes = new BoundedMap<string, Probe>(MAX_PROBES);

  /** The client is the caller's to close. */
  constructor(client: OriginClient) {
    this.#client = client;
  }

  parse(url: string, options: ParseOptions): OriginRef {
    return parseHttpUrl(url, options);
  }

  format(ref: OriginRef): string {
    return formatHttpUrl(ref);
  }

  /** A server tells nobody who else may read: what was asked for with credentials counts as restricted. */
  async resolve(ref: OriginRef, context: SourceContext): Promise<PinnedRef> {
    const found = await probe(this.#client, fileUrl(ref), context);
    const asked = validatorIn(ref);
    if (asked !== undefined && !isSame(asked, found.validator)) {
      throw new AnaxError('revision_not_found', `${formatHttpUrl(ref)} has another version by now`);
    }
    const revision = formatValidator(asked ?? found.validator);
    const pinned = { ...ref, revision, restricted: !isAnonymous(context.credentials) };
    this.#probes.set(keyOf(pinned, context), found);
    return pinned;
  }

  async list(ref: PinnedRef, context: SourceContext): Promise<ListedFile[]> {
    return filesUnder([await this.#file(ref, context)], ref.path);
  }

  async stat(ref: PinnedRef, path: string, context: SourceContext): Promise<ListedFile> {
    return pickFile([await this.#file(ref, context)], path);
  }

  async exists(ref: OriginRef, context: SourceContext): Promise<boolean> {
    try {
      await this.resolve(ref, context);
      return true;
    } catch (error) {
      if (hasCode(error, 'file_not_found', 'revision_not_found')) return false;
      throw error;
    }
  }

  async authorize(ref: PinnedRef, context: SourceContext): Promise<void> {
    if (ref.restricted) await probe(this.#client, fileUrl(ref), context);
  }

  async get(ref: PinnedRef, file: ListedFile, range: Range, context: SourceContext): Promise<OriginStream> {
    const { credentials, signal } = context;
    signal.throwIfAborted();
    const want = wantedRange(range, file.sizeBytes, context);
    if (rangeLength(range) === 0) return NO_BYTES;
    const validator = pinOf(ref);
    const headers = { ...rangeHeaders(want), ...conditionHeaders(validator) };
    const response = await this.#client.send({
      method: 'GET',
      url: fileUrl(ref),
      headers,
      credentials,
      expectedBytes: rangeLength(range),
      signal,
    });
    if (response.status !== 200 && response.status !== 206) {
      await discard(response);
      throw httpError(response, credentials);
    }
    if (!mayBe(validator, response.headers)) {
      drop(response);
      throw changed(ref);
    }
    return openRange(response, want, signal);
  }

  /** Nothing of its own: the client is shared. */
  async close(): Promise<void> {}

  async #file(ref: PinnedRef, context: SourceContext): Promise<ListedFile> {
    const found = this.#probes.get(keyOf(ref, context)) ?? (await probe(this.#client, fileUrl(ref), context));
    if (!isSame(pinOf(ref), found.validator)) throw changed(ref);
    const { name, sizeBytes } = found;
    return { path: name, sizeBytes, digest: originDigest(fileUrl(ref).href, ref.revision, sizeBytes) };
  }
}

/** What has no version can't be told from another look at it. */
function isSame(a: Validator, b: Validator): boolean {
  return a.kind === b.kind && (a.kind === 'unversioned' || a.value === b.value);
}

function changed(ref: OriginRef): AnaxError {
  return new AnaxError('origin_changed', redactUrl(fileUrl(ref).href));
}

function keyOf(ref: OriginRef, context: SourceContext): string {
  return JSON.stringify([ref.endpoint, ref.repo, ref.revision, fingerprint(context.credentials)]);
}

function validatorIn(ref: OriginRef): Validator | undefined {
  return ref.revision === '' ? undefined : pinOf(ref);
}

function pinOf(ref: OriginRef): Validator {
  const validator = parseValidator(ref.revision);
  if (validator === undefined) throw new AnaxError('url_invalid', `${formatHttpUrl(ref)}: no valid revision`);
  return validator;
}
