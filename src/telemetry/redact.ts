// What may be written down. Fields are copied into plain JSON values; on the way secrets, credentials by the name of
// their key, and the secret parts of URLs go, and everything is bounded.

import { AnaxError, redactText, Secret, toErrorRecord } from '../core/index.ts';

const SENSITIVE_KEY =
  /token|authorization|cookie|password|passwd|secret|credential|api[-_]?key|private[-_]?key/iu;

const MAX_DEPTH = 5;
const MAX_ITEMS = 100;
const MAX_STRING_LENGTH = 8192;

/** A copy of `value` that can be logged. */
export function redactValue(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value.length > MAX_STRING_LENGTH ? `${value.slice(0, MAX_STRING_LENGTH)}…` : value);
    case 'bigint':
      return value.toString();
    case 'function':
    case 'symbol':
      return `[${typeof value}]`;
    case 'object':
      return value === null ? null : redactObject(value, depth);
    case 'boolean':
    case 'number':
    case 'undefined':
      return value;
  }
}

function redactObject(value: object, depth: number): unknown {
  if (value instanceof Secret) return '[secret]';
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof URL) return redactText(value.href);
  if (depth >= MAX_DEPTH) return '[…]';
  if (Array.isArray(value)) return redactItems(value, depth);
  if (value instanceof Set) return redactItems([...value], depth);
  const entries =
    value instanceof Map
      ? [...value].map(([key, item]) => [String(key), item] as const)
      : Object.entries(value);
  return Object.fromEntries(
    entries.slice(0, MAX_ITEMS).map(([key, item]) => [key, redactField(key, item, depth)]),
  );
}

/** Numbers and flags (`tokens: 3`) tell nothing; whatever else a sensitive key holds does. */
function redactField(key: string, item: unknown, depth: number): unknown {
  const tells = typeof item === 'string' || (typeof item === 'object' && item !== null);
  return tells && SENSITIVE_KEY.test(key) ? '[secret]' : redactValue(item, depth + 1);
}

function redactItems(items: readonly unknown[], depth: number): unknown[] {
  const kept = items.slice(0, MAX_ITEMS).map((item) => redactValue(item, depth + 1));
  return items.length > MAX_ITEMS ? [...kept, `[${items.length - MAX_ITEMS} more]`] : kept;
}

/** The record of a known error; name, message and stack of a bug. */
function redactError(error: Error, depth: number): unknown {
  const cause =
    error.cause === undefined || depth >= MAX_DEPTH ? {} : { cause: redactValue(error.cause, depth + 1) };
  if (error instanceof AnaxError) {
    const { code, message, details } = toErrorRecord(error);
    return { code, message, details: redactValue(details, depth + 1), ...cause };
  }
  const stack = error.stack === undefined ? {} : { stack: redactValue(error.stack) };
  return { name: error.name, message: redactValue(error.message), ...stack, ...cause };
}
