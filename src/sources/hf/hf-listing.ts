// Reads a hub's listings: the pages of a tree, and what single paths are. Everything in them is from outside: bounded,
// checked, and the next page is asked at the place we know, whatever host the link to it names.

import { z } from 'zod';
import {
  AnaxError,
  digestFromHex,
  isAtOrUnder,
  type ListedFile,
  MAX_BLOB_BYTES,
  type OriginRef,
  parseRepoPath,
  type SourceContext,
} from '../../core/index.ts';
import { checkListingSize, fileNotFound } from '../listed-file.ts';
import type { OriginClient, OriginRequest } from '../origin-client.ts';
import { fetchText, parseJson } from '../read-body.ts';
import { header } from '../retry-policy.ts';
import { pathsInfoUrl, requestClasses, treeUrl } from './hf-api.ts';
import { hfError } from './hf-error.ts';

const size = z.int().min(0).max(MAX_BLOB_BYTES);

const entrySchema = z.object({
  type: z.string(),
  path: z.string(),
  size: size.optional(),
  oid: z.string().optional(),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/u), size: size.optional() }).nullish(),
});

const entriesSchema = z.array(entrySchema);

type Entry = z.infer<typeof entrySchema>;

/** All files under a folder; the empty one is the whole repository. A folder that is absent is `file_not_found`. */
export async function listTree(
  client: OriginClient,
  ref: OriginRef,
  folder: string,
  context: SourceContext,
): Promise<ListedFile[]> {
  const files: ListedFile[] = [];
  let entryCount = 0;
  for await (const page of treePages(client, ref, folder, context)) {
    entryCount += page.length;
    checkListingSize(0, entryCount);
    for (const entry of page) {
      if (entry.type !== 'file') continue;
      const file = toListedFile(entry);
      if (!isAtOrUnder(file.path, folder))
        throw new AnaxError('listing_unsafe', `${file.path} is not in ${folder}`);
      files.push(file);
    }
  }
  return files;
}

/** The first file of a repository in the hub's order, for asking whether its content may be read. One request or few. */
export async function firstFile(
  client: OriginClient,
  ref: OriginRef,
  context: SourceContext,
): Promise<ListedFile | undefined> {
  for await (const page of treePages(client, ref, '', context)) {
    const entry = page.find(({ type }) => type === 'file');
    if (entry !== undefined) return toListedFile(entry);
  }
  return undefined;
}

async function* treePages(
  client: OriginClient,
  ref: OriginRef,
  folder: string,
  context: SourceContext,
): AsyncGenerator<Entry[]> {
  const asked = new Set<string>();
  for (let query: string | undefined = ''; query !== undefined; ) {
    const url = treeUrl(ref, folder, query);
    if (asked.has(url.search))
      throw new AnaxError('origin_protocol', `${url.host} gives the same page again`);
    asked.add(url.search);
    checkListingSize(asked.size, 0);
    const request = apiRequest(url, context);
    const { response, text } = await fetchText(client, request);
    if (response.status !== 200) {
      const absent = folder === '' ? 'repo_not_found' : 'file_not_found';
      throw hfError(response, text, { ref, credentials: context.credentials, absent });
    }
    yield parseJson(entriesSchema, text, response.url);
    query = nextPageQuery(header(response.headers, 'link'), response.url);
  }
}

/**
 * The query of the next page. Only the query: mirrors name the hub that they mirror in the link, and a hostile link
 * could name any host; asking our own endpoint with it is right for the first and harmless for the second.
 */
function nextPageQuery(link: string | undefined, from: URL): string | undefined {
  const target = /<([^<>]{1,8192})>\s*;\s*rel="?next"?/u.exec(link ?? '')?.[1];
  if (target === undefined) return undefined;
  const url = URL.parse(target, from.href);
  if (url === null || url.search === '')
    throw new AnaxError('origin_protocol', `${from.host} links to no next page`);
  return url.search.slice(1);
}

/** What one path of the repository is. One request. Throws `file_not_found`. */
export async function pathInfo(
  client: OriginClient,
  ref: OriginRef,
  path: string,
  context: SourceContext,
): Promise<{ readonly kind: 'folder' } | { readonly kind: 'file'; readonly file: ListedFile }> {
  const body = JSON.stringify({ paths: [path], expand: false });
  const request: OriginRequest = { ...apiRequest(pathsInfoUrl(ref), context), method: 'POST', body };
  const { response, text } = await fetchText(client, request);
  if (response.status !== 200) {
    throw hfError(response, text, { ref, credentials: context.credentials, absent: 'repo_not_found' });
  }
  const entry = parseJson(entriesSchema, text, response.url).find((candidate) => candidate.path === path);
  if (entry === undefined) throw fileNotFound(path);
  return entry.type === 'file' ? { kind: 'file', file: toListedFile(entry) } : { kind: 'folder' };
}

export function apiRequest(url: URL, context: SourceContext): OriginRequest {
  return {
    method: 'GET',
    url,
    credentials: context.credentials,
    requestClass: requestClasses.api,
    signal: context.signal,
  };
}

/** LFS files are known by their sha256, others by git's id of the blob. Throws `listing_unsafe`, `origin_protocol`. */
function toListedFile(entry: Entry): ListedFile {
  const path = parseRepoPath(entry.path);
  const sizeBytes = entry.lfs?.size ?? entry.size;
  if (sizeBytes === undefined) throw new AnaxError('origin_protocol', `${path} is listed without a size`);
  if (entry.lfs) return { path, sizeBytes, digest: digestFromHex('sha256', entry.lfs.oid) };
  if (!/^[0-9a-f]{40}$/u.test(entry.oid ?? ''))
    throw new AnaxError('origin_protocol', `${path} is listed without an id`);
  return { path, sizeBytes, digest: digestFromHex('git-sha1', entry.oid ?? '') };
}
