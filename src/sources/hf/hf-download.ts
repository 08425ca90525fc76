// Reads files of a Hugging Face hub. A small file (known by git's id) is asked for where `/resolve/` would redirect to,
// which saves a request; a large one (known by sha256) through `/resolve/` and the signed URL it gives.

import {
  AnaxError,
  digestAlgorithm,
  digestHex,
  type ListedFile,
  type OriginRef,
  type OriginStream,
  type Range,
  rangeLength,
  type SourceContext,
} from '../../core/index.ts';
import { BoundedMap } from '../bounded-map.ts';
import { fingerprint } from '../credentials.ts';
import { HubDownloads } from '../hub-download.ts';
import { discard, type OriginClient, type OriginResponse } from '../origin-client.ts';
import { readErrorText } from '../read-body.ts';
import { NO_BYTES, openRange, rangeHeaders, type WantedRange, wantedRange } from '../read-range.ts';
import { header } from '../retry-policy.ts';
import { requestClasses, resolveCacheUrl, resolveUrl } from './hf-api.ts';
import { hfError } from './hf-error.ts';

/** Hubs known to lack `/api/resolve-cache/`, at most. */
const MAX_ENDPOINTS = 256;

export class HfDownloads {
  readonly #client: OriginClient;
  readonly #downloads: HubDownloads;
  /** Hubs (mirrors, older ones) that answered 404 there, and then had the file. */
  readonly #withoutCache = new BoundedMap<string, true>(MAX_ENDPOINTS);

  constructor(client: OriginClient) {
    this.#client = client;
    this.#downloads = new HubDownloads(client);
  }

  /** See `Source.get`. */
  async open(ref: OriginRef, file: ListedFile, range: Range, context: SourceContext): Promise<OriginStream> {
    context.signal.throwIfAborted();
    const want = wantedRange(range, file.sizeBytes, context);
    if (rangeLength(range) === 0) return NO_BYTES;
    const isSmall =
      digestAlgorithm(file.digest) === 'git-sha1' && this.#withoutCache.get(ref.endpoint) === undefined;
    const cached = isSmall ? await this.#openCached(ref, file, want, context) : undefined;
    if (cached !== undefined) return openRange(cached, want, context.signal);
    const opened = await this.#downloads.open(this.#hubFile(ref, file, want, context));
    if (isSmall) this.#withoutCache.set(ref.endpoint, true);
    return opened;
  }

  /** `undefined` where the hub doesn't know the route or the file: then `/resolve/` has the last word. */
  async #openCached(
    ref: OriginRef,
    file: ListedFile,
    want: WantedRange,
    context: SourceContext,
  ): Promise<OriginResponse | undefined> {
    const response = await this.#client.send({
      method: 'GET',
      url: resolveCacheUrl(ref, file.path),
      headers: rangeHeaders(want),
      credentials: context.credentials,
      requestClass: requestClasses.resolveCache,
      expectedBytes: rangeLength(want.range),
      signal: context.signal,
    });
    if (response.status === 200 || response.status === 206) {
      await discardOnThrow(response, () => checkCommit(response, ref));
      return response;
    }
    if (response.status !== 404) throw await refusal(response, ref, context);
    await discard(response);
    return undefined;
  }

  #hubFile(ref: OriginRef, file: ListedFile, want: WantedRange, context: SourceContext) {
    const { credentials, signal } = context;
    const names = [ref.endpoint, ref.repo, ref.revision, file.path, fingerprint(credentials)];
    return {
      key: JSON.stringify(names),
      request: {
        method: 'GET' as const,
        url: resolveUrl(ref, file.path),
        credentials,
        requestClass: requestClasses.resolve,
        signal,
      },
      want,
      check: (response: OriginResponse) => checkLinked(response, ref, file),
      refusal: (response: OriginResponse) => refusal(response, ref, context),
    };
  }
}

async function discardOnThrow(response: OriginResponse, check: () => void): Promise<void> {
  try {
    check();
  } catch (error) {
    await discard(response);
    throw error;
  }
}

async function refusal(response: OriginResponse, ref: OriginRef, context: SourceContext): Promise<AnaxError> {
  const text = await readErrorText(response, context.signal);
  return hfError(response, text, { ref, credentials: context.credentials, absent: 'file_not_found' });
}

/** What the hub says about the file, as far as it does, must be what the listing said. */
function checkLinked(response: OriginResponse, ref: OriginRef, file: ListedFile): void {
  checkCommit(response, ref);
  const etag = bareEtag(header(response.headers, 'x-linked-etag'));
  if (etag !== undefined && etag !== digestHex(file.digest)) {
    throw changed(file, 'id', etag.slice(0, 100), digestHex(file.digest));
  }
  const size = header(response.headers, 'x-linked-size');
  if (size !== undefined && Number(size) !== file.sizeBytes) {
    throw changed(file, 'size', size.slice(0, 20), String(file.sizeBytes));
  }
}

function checkCommit(response: OriginResponse, ref: OriginRef): void {
  const commit = header(response.headers, 'x-repo-commit');
  if (commit !== undefined && commit !== ref.revision) {
    throw new AnaxError('origin_changed', `${ref.repo}: the hub answers with another commit`, {
      details: { expected: ref.revision, actual: commit.slice(0, 64) },
    });
  }
}

function changed(file: ListedFile, what: string, actual: string, expected: string): AnaxError {
  return new AnaxError('origin_changed', `${file.path}: its ${what} is not the one listed`, {
    details: { path: file.path, expected, actual },
  });
}

/** Without the mark of weakness and the quotes. */
function bareEtag(value: string | undefined): string | undefined {
  return value?.replace(/^W\//u, '').replace(/^"|"$/gu, '');
}
