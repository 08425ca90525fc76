// From what a caller may show to an origin to request headers, and to a name under which answers to this caller are
// remembered. Nothing here prints a secret.

import { createHmac, randomBytes } from 'node:crypto';
import { AnaxError, type Credentials } from '../core/index.ts';

export type HeaderFields = Readonly<Record<string, string>>;

/** Headers that belong to the protocol: a caller's `-H` can't set them. */
const RESERVED = new Set([
  'host',
  'content-length',
  'content-type',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'range',
  'if-match',
  'if-range',
  'if-unmodified-since',
  'accept-encoding',
]);

/** Makes fingerprints useless outside this process: they may show up in a log, and must not confirm a guessed token. */
const fingerprintKey = randomBytes(32);

/** Names credentials without giving them away; empty for none. Stable within the process only. */
export function fingerprint(credentials: Credentials): string {
  if (isAnonymous(credentials)) return '';
  const hmac = createHmac('sha256', fingerprintKey).update(credentials.token?.reveal() ?? '');
  for (const [name, value] of Object.entries(credentials.headers ?? {}).toSorted(byName)) {
    hmac.update(`\0${name.toLowerCase()}\0${value.reveal()}`);
  }
  return hmac.digest('hex').slice(0, 32);
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1;
}

export function isAnonymous(credentials: Credentials): boolean {
  return credentials.token === undefined && Object.keys(credentials.headers ?? {}).length === 0;
}

/**
 * The headers that only the hub's own origin may see: the token as Bearer, the caller's own headers, and what a hub
 * wants besides (`extra`, such as a cookie). Throws `auth_invalid` or `usage_invalid` for values no header can carry.
 */
export function privateHeaders(credentials: Credentials, extra: HeaderFields = {}): HeaderFields {
  const headers: Record<string, string> = {};
  if (credentials.token !== undefined) headers['authorization'] = `Bearer ${headerToken(credentials)}`;
  Object.assign(headers, extra);
  for (const [name, secret] of Object.entries(credentials.headers ?? {})) {
    const key = name.toLowerCase();
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/u.test(key) || RESERVED.has(key)) {
      throw new AnaxError('usage_invalid', `the header ${JSON.stringify(name.slice(0, 60))} can't be set`);
    }
    const value = secret.reveal();
    if (!isHeaderValue(value)) {
      throw new AnaxError(
        'usage_invalid',
        `the value of the header ${name} has a character that headers can't carry`,
      );
    }
    headers[key] = value;
  }
  return headers;
}

/** The token, checked to fit into a header. Throws `auth_invalid`. */
export function headerToken(credentials: Credentials): string {
  const token = credentials.token?.reveal() ?? '';
  if (token !== '' && isHeaderValue(token) && !/\s/u.test(token)) return token;
  throw new AnaxError('auth_invalid', 'it is empty, or has a space, a line break or another odd character', {
    hint: 'was it read from a file with a line break at the end?',
  });
}

function isHeaderValue(value: string): boolean {
  return /^[\t\u0020-\u007e\u0080-\u00ff]*$/u.test(value);
}

/** Hides the caller's secrets in a text from outside: a hostile hub could send back what it was shown. */
export function withoutSecrets(text: string, credentials: Credentials): string {
  const secrets = [credentials.token, ...Object.values(credentials.headers ?? {})];
  let clean = text;
  for (const secret of secrets) {
    const value = secret?.reveal() ?? '';
    if (value !== '') clean = clean.replaceAll(value, '[secret]');
  }
  return clean;
}
