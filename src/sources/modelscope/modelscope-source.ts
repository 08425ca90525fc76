// The source for ModelScope hubs. Pinning a revision needs the whole listing (see snapshot-revision.ts), so `resolve`
// makes it and keeps it for the `list` that follows. Whether a repository is restricted is found out by asking without
// credentials first: what answers then is public.

import {
  AnaxError,
  hasCode,
  isAtOrUnder,
  type ListedFile,
  type OriginRef,
  type OriginStream,
  type ParseOptions,
  type PinnedRef,
  type Range,
  type Source,
  type SourceContext,
} from '../../core/index.ts';
import { BoundedMap } from '../bounded-map.ts';
import { fingerprint, isAnonymous } from '../credentials.ts';
import { filesUnder, pickFile } from '../listed-file.ts';
import type { OriginClient } from '../origin-client.ts';
import { fetchText } from '../read-body.ts';
import { parseEndpoint } from '../ref-text.ts';
import { apiRequest, isSuccess, repoUrl } from './modelscope-api.ts';
import { ModelscopeDownloads } from './modelscope-download.ts';
import { modelscopeError, readEnvelope } from './modelscope-error.ts';
import { listRepo } from './modelscope-listing.ts';
import {
  defaultModelscopeEndpoint,
  formatModelscopeUrl,
  MODELSCOPE_SCHEME,
  parseModelscopeUrl,
} from './modelscope-url.ts';
import {
  formatSnapshotRevision,
  hashListing,
  parseSnapshotRevision,
  type SnapshotRevision,
} from './snapshot-revision.ts';

export interface ModelscopeSourceOptions {
  /** The hub of URLs parsed without an endpoint. Default `https://www.modelscope.cn`. */
  readonly endpoint?: string;
}

interface Listing {
  readonly files: readonly ListedFile[];
  readonly hash: string;
  readonly restricted: boolean;
}

/** Files in all kept listings together: some 100 MiB at the worst, for `list` right after `resolve`. */
const MAX_KEPT_FILES = 250_000;

const NO_CREDENTIALS = {};

export class ModelscopeSource implements Source {
  readonly schemes = [MODELSCOPE_SCHEME];
  readonly #client: OriginClient;
  readonly #downloads: ModelscopeDownloads;
  readonly #endpoint: string;
  /** By pinned revision and credentials: such a listing can't be stale. */
  readonly #listings = new BoundedMap<string, Listing>(MAX_KEPT_FILES);

  /** The client is the caller's to close. */
  constructor(client: OriginClient, options: ModelscopeSourceOptions = {}) {
    this.#client = client;
    this.#downloads = new ModelscopeDownloads(client);
    this.#endpoint = parseEndpoint(options.endpoint ?? defaultModelscopeEndpoint);
  }

  parse(url: string, options: ParseOptions): OriginRef {
    return parseModelscopeUrl(url, options, this.#endpoint);
  }

  format(ref: OriginRef): string {
    return formatModelscopeUrl(ref);
  }

  /** Throws `revision_not_found` where the ref is a pin and the branch has other content by now. */
  async resolve(ref: OriginRef, context: SourceContext): Promise<PinnedRef> {
    const { branch, hash } = revisionOf(ref);
    const listing = this.#kept(ref, context) ?? (await this.#listAnew(ref, branch, context));
    if (hash !== undefined && hash !== listing.hash) {
      throw new AnaxError(
        'revision_not_found',
        `${branch} of ${ref.repo} no longer has the pinned content ${hash}`,
        {
          hint: `ModelScope keeps no commits to ask by: use @${branch} for what it has now`,
          details: { expected: hash, actual: listing.hash },
        },
      );
    }
    const pinned = {
      ...ref,
      revision: formatSnapshotRevision(branch, listing.hash),
      restricted: listing.restricted,
    };
    this.#keep(pinned, context, listing);
    return pinned;
  }

  async list(ref: PinnedRef, context: SourceContext): Promise<ListedFile[]> {
    return filesUnder(await this.#files(ref, context), ref.path);
  }

  async stat(ref: PinnedRef, path: string, context: SourceContext): Promise<ListedFile> {
    return pickFile(await this.#files(ref, context), path);
  }

  async exists(ref: OriginRef, context: SourceContext): Promise<boolean> {
    try {
      const pinned = await this.resolve(ref, context);
      if (ref.path === '') return true;
      return (await this.#files(pinned, context)).some((file) => isAtOrUnder(file.path, ref.path));
    } catch (error) {
      if (hasCode(error, 'repo_not_found', 'revision_not_found', 'auth_required')) return false;
      throw error;
    }
  }

  async authorize(ref: PinnedRef, context: SourceContext): Promise<void> {
    if (ref.restricted) await this.#askForRepo(ref, context);
  }

  async get(ref: PinnedRef, file: ListedFile, range: Range, context: SourceContext): Promise<OriginStream> {
    return await this.#downloads.open(ref, revisionOf(ref).branch, file, range, context);
  }

  /** Nothing of its own: the client is shared. */
  async close(): Promise<void> {}

  /** The listing that a pin names. Throws `origin_changed` where the branch has moved on. */
  async #files(ref: PinnedRef, context: SourceContext): Promise<readonly ListedFile[]> {
    const kept = this.#kept(ref, context);
    if (kept !== undefined) return kept.files;
    const { branch, hash } = revisionOf(ref);
    const files = await listRepo(this.#client, ref, branch, context);
    const listing: Listing = { files, hash: hashListing(files), restricted: ref.restricted };
    if (listing.hash !== hash) {
      throw new AnaxError('origin_changed', `${branch} of ${ref.repo} moved on from ${ref.revision}`, {
        details: { expected: hash ?? '', actual: listing.hash },
      });
    }
    this.#keep(ref, context, listing);
    return files;
  }

  /** Asks without credentials first, where there are any: if that is enough, the repository is public. */
  async #listAnew(ref: OriginRef, branch: string, context: SourceContext): Promise<Listing> {
    if (!isAnonymous(context.credentials)) {
      try {
        return toListing(
          await listRepo(this.#client, ref, branch, { ...context, credentials: NO_CREDENTIALS }),
          false,
        );
      } catch (error) {
        if (!hasCode(error, 'repo_not_found', 'auth_required', 'access_denied')) throw error;
      }
    }
    try {
      const files = await listRepo(this.#client, ref, branch, context);
      return toListing(files, !isAnonymous(context.credentials));
    } catch (error) {
      if (!hasCode(error, 'repo_not_found')) throw error;
      await this.#askForRepo(ref, context);
      throw new AnaxError('revision_not_found', `${branch} of ${ref.repo}`, { cause: error });
    }
  }

  /** Throws what the hub says about the repository as a whole, if it refuses. */
  async #askForRepo(ref: OriginRef, context: SourceContext): Promise<void> {
    const { response, text } = await fetchText(this.#client, apiRequest(repoUrl(ref), context));
    const envelope = readEnvelope(text);
    if (response.status === 200 && envelope !== undefined && isSuccess(envelope)) return;
    throw modelscopeError(response, text, {
      ref,
      credentials: context.credentials,
      absent: 'repo_not_found',
    });
  }

  #kept(ref: OriginRef, context: SourceContext): Listing | undefined {
    return revisionOf(ref).hash === undefined ? undefined : this.#listings.get(keyOf(ref, context));
  }

  #keep(ref: PinnedRef, context: SourceContext, listing: Listing): void {
    this.#listings.set(keyOf(ref, context), listing, Math.max(1, listing.files.length));
  }
}

function toListing(files: readonly ListedFile[], restricted: boolean): Listing {
  return { files, hash: hashListing(files), restricted };
}

function keyOf(ref: OriginRef, context: SourceContext): string {
  return JSON.stringify([ref.endpoint, ref.repo, ref.revision, fingerprint(context.credentials)]);
}

/** Throws `url_invalid` for a revision that `parse` would not have taken. */
function revisionOf(ref: OriginRef): SnapshotRevision {
  const revision = parseSnapshotRevision(ref.revision);
  if (revision === undefined) throw new AnaxError('url_invalid', `${ref.repo}: no valid revision`);
  return revision;
}
