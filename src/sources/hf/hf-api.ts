// The routes of a Hugging Face hub. Revisions and, in listings, paths are encoded completely, as its Python client does.

import type { OriginRef } from '../../core/index.ts';
import { encodePath } from '../ref-text.ts';
import { repoName } from './repo-kind.ts';

function api(ref: OriginRef, rest: string): URL {
  const { kind, id } = repoName(ref.repo);
  return new URL(`${ref.endpoint}/api/${kind.apiSegment}/${id}/${rest}`);
}

export function revisionUrl(ref: OriginRef): URL {
  return api(ref, `revision/${encodeURIComponent(ref.revision === '' ? 'main' : ref.revision)}`);
}

/** `query` is a page's, without the `?`; empty for the first page. */
export function treeUrl(ref: OriginRef, folder: string, query: string): URL {
  const path = folder === '' ? '' : `/${encodeURIComponent(folder)}`;
  const url = api(ref, `tree/${encodeURIComponent(ref.revision)}${path}`);
  url.search = query === '' ? 'recursive=true&expand=false' : query;
  return url;
}

export function pathsInfoUrl(ref: OriginRef): URL {
  return api(ref, `paths-info/${encodeURIComponent(ref.revision)}`);
}

export function authCheckUrl(ref: OriginRef): URL {
  return api(ref, 'auth-check');
}

export function resolveUrl(ref: OriginRef, path: string): URL {
  const revision = encodeURIComponent(ref.revision);
  return new URL(`${ref.endpoint}/${ref.repo}/resolve/${revision}/${encodePath(path)}`);
}

/** Where `/resolve/` redirects to for small files: asking here first saves one request a file. */
export function resolveCacheUrl(ref: OriginRef, path: string): URL {
  const { kind, id } = repoName(ref.repo);
  return new URL(
    `${ref.endpoint}/api/resolve-cache/${kind.apiSegment}/${id}/${encodeURIComponent(ref.revision)}/${encodePath(path)}`,
  );
}

/** The hub counts `/resolve/` and everything else towards different quotas. */
export const requestClasses = { api: 'api', resolve: 'resolve', resolveCache: 'resolve-cache' } as const;
