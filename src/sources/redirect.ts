// The rules for following a redirect: where to, whether at all, and what may go along.

import { AnaxError, redactUrl } from '../core/index.ts';

/** Redirects followed for one request, at most. */
export const MAX_REDIRECTS = 5;

export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/**
 * Where a redirect leads. Throws `origin_protocol` for no or a malformed Location, for anything but http and https, and
 * for the step from https down to http.
 */
export function redirectTarget(from: URL, location: string | undefined): URL {
  const to = location === undefined ? null : URL.parse(location, from.href);
  if (to === null) throw refused(from, 'a redirect without a usable Location');
  if (to.protocol !== 'https:' && to.protocol !== 'http:')
    throw refused(from, `a redirect to ${to.protocol}`);
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw refused(from, `a redirect from https down to ${redactUrl(to.href)}`);
  }
  // A user and password in a Location would be sent as Authorization.
  to.username = '';
  to.password = '';
  to.hash = '';
  return to;
}

function refused(from: URL, what: string): AnaxError {
  return new AnaxError('origin_protocol', `${redactUrl(from.href)} gave ${what}`, {
    details: { url: redactUrl(from.href) },
  });
}

/** The method after a redirect: as browsers do, a POST becomes a GET unless the status forbids it. */
export function redirectMethod<Method extends string>(method: Method, status: number): Method | 'GET' {
  if (method !== 'POST' || status === 307 || status === 308) return method;
  return 'GET';
}
