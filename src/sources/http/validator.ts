// What names the version of a file on a plain web server: a strong ETag; else the date of its last change; else only
// the moment when it was looked at, which makes every look another version.

import type { ResponseHeaders } from '../../http-body/index.ts';
import type { HeaderFields } from '../credentials.ts';
import { header } from '../retry-policy.ts';

export type Validator =
  /** With its quotes. */
  | { readonly kind: 'etag'; readonly value: string }
  /** An HTTP date. To the second, so two changes within one second look like one. */
  | { readonly kind: 'modified'; readonly value: string }
  /** Milliseconds since the epoch. */
  | { readonly kind: 'unversioned'; readonly value: string };

const FORMS: Readonly<Record<Validator['kind'], RegExp>> = {
  etag: /^"[\u0021\u0023-\u007e\u0080-\u00ff]{0,1000}"$/u,
  modified: /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/u,
  unversioned: /^\d{1,15}$/u,
};

/** Of an answer. A weak ETag (`W/`) does not count: it promises the same meaning, not the same bytes. */
export function validatorOf(headers: ResponseHeaders, nowMs: number): Validator {
  const etag = header(headers, 'etag')?.trim() ?? '';
  if (FORMS.etag.test(etag)) return { kind: 'etag', value: etag };
  const modified = header(headers, 'last-modified')?.trim() ?? '';
  if (FORMS.modified.test(modified)) return { kind: 'modified', value: modified };
  return { kind: 'unversioned', value: String(nowMs) };
}

/** As it stands in `OriginRef.revision`. */
export function formatValidator(validator: Validator): string {
  return `${validator.kind}:${validator.value}`;
}

export function parseValidator(text: string): Validator | undefined {
  const mark = text.indexOf(':');
  const kind = text.slice(0, mark);
  const value = text.slice(mark + 1);
  if (kind !== 'etag' && kind !== 'modified' && kind !== 'unversioned') return undefined;
  return FORMS[kind].test(value) ? { kind, value } : undefined;
}

/** Whether an answer may be of this version: it says the same, or nothing that could be compared. */
export function mayBe(expected: Validator, headers: ResponseHeaders): boolean {
  const actual = validatorOf(headers, 0);
  return actual.kind !== expected.kind || actual.kind === 'unversioned' || actual.value === expected.value;
}

/** Makes the server answer 412 rather than with another version. */
export function conditionHeaders(validator: Validator): HeaderFields {
  switch (validator.kind) {
    case 'etag':
      return { 'if-match': validator.value };
    case 'modified':
      return { 'if-unmodified-since': validator.value };
    case 'unversioned':
      return {};
  }
}
