// The one error type. Everything that fails for a reason outside the program becomes an AnaxError at the edge where
// it is met; bugs are assertions; an AbortError passes through as it is.

import { type ErrorCode, type ErrorKind, errorTable } from './error-table.ts';
import { redactText } from './secret.ts';

/** Facts for people and scripts: file, url (redacted), expected and actual digests, … Never a secret. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

export interface AnaxErrorOptions {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
  /** Replaces the table's hint. */
  readonly hint?: string;
  /** When to try again at the earliest, in milliseconds from now, where the other side said so. */
  readonly retryAfterMs?: number;
}

export class AnaxError extends Error {
  override readonly name = 'AnaxError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly details: ErrorDetails;
  readonly retryAfterMs: number | undefined;

  /** `message` is added to the table's sentence; absolute URLs in it lose user, query and fragment. */
  constructor(code: ErrorCode, message = '', options: AnaxErrorOptions = {}) {
    const text = redactText(message);
    super(text === '' ? errorTable[code].message : `${errorTable[code].message}: ${text}`, {
      cause: options.cause,
    });
    this.code = code;
    this.hint = options.hint ?? errorTable[code].hint;
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }

  get kind(): ErrorKind {
    return errorTable[this.code];
  }
}

/** How an AnaxError travels over RPC, the peer protocol and `--json`. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly details: ErrorDetails;
}

export function toErrorRecord(error: unknown): ErrorRecord {
  const known = toAnaxError(error);
  return { code: known.code, message: known.message, hint: known.hint, details: known.details };
}

/** The error that a record from elsewhere stands for; an unknown code becomes `internal`. */
export function fromErrorRecord(record: ErrorRecord): AnaxError {
  const code: ErrorCode = Object.hasOwn(errorTable, record.code) ? record.code : 'internal';
  const prefix = `${errorTable[code].message}: `;
  const message = record.message.startsWith(prefix)
    ? record.message.slice(prefix.length)
    : record.message === errorTable[code].message
      ? ''
      : record.message;
  return new AnaxError(code, message, { hint: record.hint, details: record.details });
}

const NODE_ERRORS: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
  EIO: 'disk_io',
  EROFS: 'output_unwritable',
  EACCES: 'output_unwritable',
  EPERM: 'output_unwritable',
  ENOTDIR: 'output_unwritable',
  EISDIR: 'output_unwritable',
  ENAMETOOLONG: 'output_unwritable',
  ECONNREFUSED: 'network_unreachable',
  ECONNRESET: 'network_unreachable',
  EHOSTUNREACH: 'network_unreachable',
  ENETUNREACH: 'network_unreachable',
  ENOTFOUND: 'network_unreachable',
  EAI_AGAIN: 'network_unreachable',
  EPIPE: 'network_unreachable',
  ETIMEDOUT: 'network_timeout',
};

/** Out of file descriptors looks like whatever was being opened, and is none of it. */
const OUT_OF_FILES = { hint: 'too many files are open: raise the limit (ulimit -n, LimitNOFILE=)' };

/** The hint that a system error needs more than its kind of error. */
export function systemErrorHint(code: string | undefined): { readonly hint?: string } {
  return code === 'EMFILE' || code === 'ENFILE' ? OUT_OF_FILES : {};
}

/** `error.code` of a system error, such as `ENOSPC`. */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Converts whatever was thrown, once, at an edge. An AbortError becomes `interrupted`; the unknown becomes `internal`. */
export function toAnaxError(error: unknown, fallback: ErrorCode = 'internal'): AnaxError {
  if (error instanceof AnaxError) return error;
  if (isAbortError(error)) return new AnaxError('interrupted', '', { cause: error });
  const code = systemErrorCode(error);
  const message = error instanceof Error ? error.message : String(error);
  const known = code === undefined ? undefined : NODE_ERRORS[code];
  return new AnaxError(known ?? fallback, message, { cause: error, ...systemErrorHint(code) });
}

export function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

export function hasCode(error: unknown, ...codes: ErrorCode[]): error is AnaxError {
  return error instanceof AnaxError && codes.includes(error.code);
}
