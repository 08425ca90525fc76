// The source for Hugging Face hubs. A revision is pinned to its commit with one request, which also tells the canonical
// id and whether the repository is private or gated; everything after asks by commit.

import { z } from 'zod';
import {
  AnaxError,
  hasCode,
  type ListedFile,
  type OriginRef,
  type OriginStream,
  type ParseOptions,
  type PinnedRef,
  type Range,
  type Source,
  type SourceContext,
} from '../../core/index.ts';
import { fileNotFound } from '../listed-file.ts';
import { discard, type OriginClient } from '../origin-client.ts';
import { fetchText, parseJson, readErrorText } from '../read-body.ts';
import { parseEndpoint } from '../ref-text.ts';
import { authCheckUrl, requestClasses, resolveUrl, revisionUrl } from './hf-api.ts';
import { HfDownloads } from './hf-download.ts';
import { hfError } from './hf-error.ts';
import { apiRequest, firstFile, listTree, pathInfo } from './hf-listing.ts';
import { defaultHfEndpoint, formatHfUrl, HF_SCHEME, parseHfUrl } from './hf-url.ts';
import { isRepoId, repoName, repoOf } from './repo-kind.ts';

export interface HfSourceOptions {
  /** The hub of URLs parsed without an endpoint. Default `https://huggingface.co`. */
  readonly endpoint?: string;
}

const COMMIT = /^[0-9a-f]{40}$/u;

const infoSchema = z.object({
  id: z.string().refine(isRepoId, 'no repository id'),
  sha: z.string().regex(COMMIT),
  private: z.boolean().optional(),
  gated: z.union([z.boolean(), z.string()]).nullish(),
});

export class HfSource implements Source {
  readonly schemes = [HF_SCHEME];
  readonly #client: OriginClient;
  readonly #downloads: HfDownloads;
  readonly #endpoint: string;

  /** The client is the caller's to close. */
  constructor(client: OriginClient, options: HfSourceOptions = {}) {
    this.#client = client;
    this.#downloads = new HfDownloads(client);
    this.#endpoint = parseEndpoint(options.endpoint ?? defaultHfEndpoint);
  }

  parse(url: string, options: ParseOptions): OriginRef {
    return parseHfUrl(url, options, this.#endpoint);
  }

  format(ref: OriginRef): string {
    return formatHfUrl(ref);
  }

  /** One request, also for a full commit id: it tells who may read the repository. */
  async resolve(ref: OriginRef, context: SourceContext): Promise<PinnedRef> {
    const { response, text } = await fetchText(this.#client, apiRequest(revisionUrl(ref), context));
    if (response.status !== 200) {
      throw hfError(response, text, { ref, credentials: context.credentials, absent: 'repo_not_found' });
    }
    const info = parseJson(infoSchema, text, response.url);
    if (COMMIT.test(ref.revision) && info.sha !== ref.revision) {
      throw new AnaxError(
        'origin_protocol',
        `${response.url.host} answers with another commit than the one asked for`,
      );
    }
    const isGated =
      info.gated !== undefined && info.gated !== null && info.gated !== false && info.gated !== '';
    return {
      ...ref,
      repo: repoOf({ kind: repoName(ref.repo).kind, id: info.id }),
      revision: info.sha,
      restricted: info.private === true || isGated,
    };
  }

  async list(ref: PinnedRef, context: SourceContext): Promise<ListedFile[]> {
    if (ref.path === '') return await listTree(this.#client, ref, '', context);
    const info = await pathInfo(this.#client, ref, ref.path, context);
    return info.kind === 'file' ? [info.file] : await listTree(this.#client, ref, ref.path, context);
  }

  async stat(ref: PinnedRef, path: string, context: SourceContext): Promise<ListedFile> {
    const info = await pathInfo(this.#client, ref, path, context);
    if (info.kind === 'folder') throw fileNotFound(path);
    return info.file;
  }

  async exists(ref: OriginRef, context: SourceContext): Promise<boolean> {
    try {
      const pinned = await this.resolve(ref, context);
      if (ref.path !== '') await pathInfo(this.#client, pinned, ref.path, context);
      return true;
    } catch (error) {
      // Without a token the hub does not tell absent from private: neither is there for this caller.
      if (hasCode(error, 'repo_not_found', 'revision_not_found', 'file_not_found', 'auth_required'))
        return false;
      throw error;
    }
  }

  async authorize(ref: PinnedRef, context: SourceContext): Promise<void> {
    if (!ref.restricted) return;
    const { response, text } = await fetchText(this.#client, apiRequest(authCheckUrl(ref), context));
    if (response.status < 300) return;
    const hasCodeHeader = response.headers['x-error-code'] !== undefined;
    if (response.status === 404 && !hasCodeHeader) await this.#authorizeByFile(ref, context);
    else throw hfError(response, text, { ref, credentials: context.credentials, absent: 'repo_not_found' });
  }

  async get(ref: PinnedRef, file: ListedFile, range: Range, context: SourceContext): Promise<OriginStream> {
    return await this.#downloads.open(ref, file, range, context);
  }

  /** Nothing of its own: the client is shared. */
  async close(): Promise<void> {}

  /** For hubs without auth-check: whether the first file there is could be read. */
  async #authorizeByFile(ref: PinnedRef, context: SourceContext): Promise<void> {
    const file = await firstFile(this.#client, ref, context);
    if (file === undefined) return;
    const response = await this.#client.send({
      ...apiRequest(resolveUrl(ref, file.path), context),
      method: 'HEAD',
      redirect: 'stay',
      requestClass: requestClasses.resolve,
    });
    if (response.status < 400) return await discard(response);
    const text = await readErrorText(response, context.signal);
    throw hfError(response, text, { ref, credentials: context.credentials, absent: 'file_not_found' });
  }
}
