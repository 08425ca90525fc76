// Values that must not be printed, and URLs without the parts that must not.

import { inspect } from 'node:util';

/** A token or password. It shows as `[secret]` wherever it is printed, logged or serialised; `reveal` is the one way in. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

/**
 * A URL as it may appear in a log or an error: without user, password, query and fragment. Signed URLs carry their
 * secret in the query. Text that is no URL comes back with everything after the first `?`, `#` or `@` host part cut.
 */
export function redactUrl(text: string): string {
  try {
    const url = new URL(text);
    const query = url.search === '' ? '' : '?…';
    return `${url.protocol}//${url.host}${url.pathname}${query}`;
  } catch {
    return text.replace(/\/\/[^/@\s]*@/u, '//').replace(/[?#].*$/su, '');
  }
}

/** Redacts every absolute http(s) URL inside a text, such as a message of a library. */
export function redactText(text: string): string {
  return text.replace(/https?:\/\/[^\s"'<>)]+/gu, (url) => redactUrl(url));
}
