// The grammar of file:// URLs: an absolute path of a file or a folder of this machine, percent-decoded. A pinned
// revision is written as a fragment: file:///data/model#@<hash>. A `#` or `?` of a name is written %23 or %3F.

import type { OriginRef, ParseOptions } from '../../core/index.ts';
import { afterScheme, agreeOnRevision, decodeRepoPath, encodePath, invalidUrl } from '../ref-text.ts';

export const FILE_SCHEME = 'file';

const PIN = /#@([0-9a-f]{32})$/u;

/** Reads a file:// URL. Throws `url_invalid`. */
export function parseFileUrl(url: string, options: ParseOptions): OriginRef {
  if (options.endpoint !== undefined && options.endpoint !== '')
    throw invalidUrl(url, 'a file has no endpoint');
  const inUrl = PIN.exec(url.trim())?.[1];
  const rest = afterScheme(url.trim().replace(PIN, ''), FILE_SCHEME);
  if (/[?#]/u.test(rest)) throw invalidUrl(url, 'a ? or #', 'write a ? of a name as %3F, a # as %23');
  const path = rest.replace(/^localhost(?=\/)/u, '');
  if (path === '') throw invalidUrl(url, 'no path, or the whole disk');
  if (!path.startsWith('/'))
    throw invalidUrl(url, 'a host, or a relative path', 'write file:///absolute/path');
  const revision = agreeOnRevision(inUrl, options.revision, url);
  if (revision !== '' && !/^[0-9a-f]{32}$/u.test(revision)) throw invalidUrl(url, 'no valid revision');
  const repo = `/${decodeRepoPath(path.slice(1).split('/'), url)}`;
  return { scheme: FILE_SCHEME, endpoint: '', repo, revision, path: '' };
}

/** The URL of a ref; `parseFileUrl` gives the ref again. */
export function formatFileUrl(ref: OriginRef): string {
  const pin = ref.revision === '' ? '' : `#@${ref.revision}`;
  return `${FILE_SCHEME}://${encodePath(ref.repo)}${pin}`;
}
