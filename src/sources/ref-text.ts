// What the grammars of all schemes share: taking a URL apart without a URL parser (hub URLs are no web URLs: `#` and
// `?` are ordinary there), decoding, and checking endpoints. Errors never show what could be a password.

import { AnaxError, hasCode, parseRepoPath, redactUrl } from '../core/index.ts';

/** The scheme of a URL, lower case; `undefined` where there is none. */
export function schemeOf(url: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):/iu.exec(url.trim())?.[1]?.toLowerCase();
}

/** What follows `scheme://`, without slashes at its end. Throws `url_invalid`. */
export function afterScheme(url: string, scheme: string): string {
  const text = url.trim();
  const prefix = `${scheme}://`;
  if (text.slice(0, prefix.length).toLowerCase() !== prefix) {
    throw invalidUrl(url, `it does not start with ${prefix}`);
  }
  return text.slice(prefix.length).replace(/\/+$/u, '');
}

export function invalidUrl(url: string, why: string, hint?: string): AnaxError {
  const shown = redactUrl(url.trim()).slice(0, 300);
  return new AnaxError('url_invalid', `${shown}: ${why}`, hint === undefined ? {} : { hint });
}

/** Decodes `%xx`; a `%` that is none of these is an error, not itself, so that what is meant is always clear. */
export function decodePart(part: string, url: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalidUrl(url, 'a % that begins no valid escape', 'write a % of a name as %25');
  }
}

/** The path inside a repository from its encoded segments; empty for none. Throws `url_invalid`. */
export function decodeRepoPath(segments: readonly string[], url: string): string {
  if (segments.length === 0) return '';
  const decoded = segments.map((segment) => decodePart(segment, url));
  if (decoded.some((segment) => segment.includes('/'))) throw invalidUrl(url, 'an encoded slash in the path');
  try {
    return parseRepoPath(decoded.join('/'));
  } catch (error) {
    if (hasCode(error, 'listing_unsafe')) throw invalidUrl(url, 'the path in the repository is not valid');
    throw error;
  }
}

/** A path for a URL: each segment encoded, slashes kept. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/**
 * The revision of a URL and of an option, where at most one is given or both are the same. Throws `url_invalid` where
 * they differ, and for what git would not take as a name.
 */
export function agreeOnRevision(inUrl: string | undefined, option: string | undefined, url: string): string {
  const asked = option === '' ? undefined : option;
  if (inUrl !== undefined && asked !== undefined && inUrl !== asked) {
    throw invalidUrl(url, `the revision is both ${JSON.stringify(inUrl)} and ${JSON.stringify(asked)}`);
  }
  return inUrl ?? asked ?? '';
}

/** Whether git would take it as the name of a branch, a tag or a commit. Also keeps `..` out of request paths. */
export function isRevisionName(name: string): boolean {
  if (name === '' || name.length > 255 || name.startsWith('/') || name.endsWith('/')) return false;
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return !/[\u0000-\u0020\u007f~^:?*[\\]|\.\.|\/\/|@\{/u.test(name) && name !== '.' && name.isWellFormed();
}

/** A hub's base URL without a slash at its end. Throws `url_invalid`; a user or password in it is refused. */
export function parseEndpoint(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw invalidUrl(text, 'an endpoint is an http or https address', 'e.g. https://huggingface.co');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalidUrl(text, 'an endpoint has no user, password, query or fragment', 'pass a token instead');
  }
  return url.href.replace(/\/+$/u, '');
}
