// The heads of HTTP/1.1 messages, as far as a GET for a large body needs them. Strict: an answer that could
// be read in two ways is none. Pure.

import { validateHeaderName, validateHeaderValue } from 'node:http';
import { KiB } from '../core/index.ts';
import type { ResponseHeaders } from './response-headers.ts';

export const MAX_HEAD_BYTES = 64 * KiB;

export interface BulkHead {
  readonly status: number;
  readonly headers: ResponseHeaders;
  /** Bytes of the body; `undefined`: until the connection ends. */
  readonly length: number | 'chunked' | undefined;
  /** Whether the server takes another request after it. */
  readonly keepsAlive: boolean;
}

/** Throws a TypeError for a header that can't be sent. */
export function encodeRequest(url: URL, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries({ host: url.host, ...headers }).map(([name, value]) => {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return `${name}: ${value}\r\n`;
  });
  return `GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** `undefined` for what is no head, `interim` for one before the answer (1xx). */
export function parseHead(text: string): BulkHead | 'interim' | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const [, minor, code] = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: |$)/u.exec(first) ?? [];
  const status = Number(code ?? Number.NaN);
  const headers: Record<string, string | string[]> = {};
  for (const line of lines) {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*$/u.exec(line);
    if (!match) return undefined;
    const [, name = '', value = ''] = match;
    const known = headers[name.toLowerCase()];
    headers[name.toLowerCase()] = known === undefined ? value : [...[known].flat(), value];
  }
  if (Number.isNaN(status) || status === 101) return undefined;
  if (status < 200) return 'interim';
  const length = lengthOf(status, headers);
  const options = String(headers['connection'] ?? '').toLowerCase();
  const keepsAlive = minor === '1' && !/\bclose\b/u.test(options);
  return length === null ? undefined : { status, headers, length, keepsAlive };
}

/** `null` where it is ambiguous. */
function lengthOf(status: number, headers: ResponseHeaders): number | 'chunked' | undefined | null {
  const declared = headers['content-length'];
  if (headers['transfer-encoding'] !== undefined) return declared === undefined ? 'chunked' : null;
  if (status === 204 || status === 304) return 0;
  if (declared === undefined) return undefined;
  const values = new Set([declared].flat());
  const [value = ''] = values;
  return values.size === 1 && /^\d{1,15}$/u.test(value) ? Number(value) : null;
}
