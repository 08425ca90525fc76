// The grammar of http:// and https:// URLs as refs to one file.
//
// A ref may be sent to other nodes, which need the whole URL to read it, so the query is part of `OriginRef.repo`. A
// query may be a signature: `format` leaves it out, and whoever shows or logs a ref must show `format(ref)`, never
// `repo`. A user and password in the URL are refused; they belong into credentials. A pinned revision is written as a
// fragment, which servers never see:  https://host/file.bin#@etag:%22abc%22 . Any other fragment is dropped.

import type { OriginRef, ParseOptions } from '../../core/index.ts';
import { agreeOnRevision, decodePart, invalidUrl, parseEndpoint } from '../ref-text.ts';
import { parseValidator } from './validator.ts';

export const HTTP_SCHEMES = ['http', 'https'] as const;

/** Reads an http(s):// URL. Throws `url_invalid`. */
export function parseHttpUrl(text: string, options: ParseOptions): OriginRef {
  const url = URL.parse(text.trim());
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw invalidUrl(text, 'no valid http or https address');
  }
  if (url.username !== '' || url.password !== '') {
    throw invalidUrl(
      text,
      'a user or password in the address',
      "pass it as a header: -H 'Authorization: Basic …'",
    );
  }
  if (options.endpoint !== undefined && parseEndpoint(options.endpoint) !== url.origin) {
    throw invalidUrl(text, 'the endpoint option names another server');
  }
  const inUrl = url.hash.startsWith('#@') ? decodePart(url.hash.slice(2), text) : undefined;
  const revision = agreeOnRevision(inUrl, options.revision, text);
  if (revision !== '' && parseValidator(revision) === undefined) {
    throw invalidUrl(text, 'no valid revision', 'for http it is etag:"…" or modified:<date>');
  }
  return {
    scheme: url.protocol.slice(0, -1),
    endpoint: url.origin,
    repo: `${url.pathname}${url.search}`,
    revision,
    path: '',
  };
}

/** The URL of a ref without its query; where there is none, `parseHttpUrl` gives the ref again. */
export function formatHttpUrl(ref: OriginRef): string {
  const pathname = ref.repo.replace(/\?.*$/su, '');
  const pin = ref.revision === '' ? '' : `#@${encodeURIComponent(ref.revision)}`;
  return `${ref.endpoint}${pathname}${pin}`;
}

/** What to ask: with the query. */
export function fileUrl(ref: OriginRef): URL {
  return new URL(`${ref.endpoint}${ref.repo}`);
}
