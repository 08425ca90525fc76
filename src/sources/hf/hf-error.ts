// What an error of a Hugging Face hub means. The hub tells by X-Error-Code where it can; the rest is told by status,
// by the exact texts that its own clients look for, and by whether a token was shown.

import { AnaxError, type Credentials, type ErrorCode, type OriginRef, redactUrl } from '../../core/index.ts';
import { isAnonymous, withoutSecrets } from '../credentials.ts';
import type { OriginResponse } from '../origin-client.ts';
import { header } from '../retry-policy.ts';
import { oneNameHint } from './hf-url.ts';

export interface HfErrorContext {
  readonly ref: OriginRef;
  readonly credentials: Credentials;
  /** What a 404 without a code is about. */
  readonly absent: 'repo_not_found' | 'file_not_found';
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  RevisionNotFound: 'revision_not_found',
  EntryNotFound: 'file_not_found',
  GatedRepo: 'access_gated',
  RepoNotFound: 'repo_not_found',
};

const DISABLED = 'Access to this resource is disabled.';
const BAD_TOKEN = 'Invalid credentials in Authorization header';

/** `text` is the answer's body. */
export function hfError(response: OriginResponse, text: string, context: HfErrorContext): AnaxError {
  const message = header(response.headers, 'x-error-message') ?? bodyMessage(text);
  const code = hfErrorCode(response, message, context);
  const { ref, credentials } = context;
  const hint = hintOf(code, message, ref);
  const requestId = header(response.headers, 'x-request-id');
  return new AnaxError(code, withoutSecrets(describe(ref, response, message), credentials), {
    ...(hint === undefined ? {} : { hint }),
    details: {
      url: withoutSecrets(redactUrl(response.url.href), credentials),
      status: response.status,
      repo: ref.repo,
      ...(requestId === undefined ? {} : { requestId: withoutSecrets(printable(requestId), credentials) }),
    },
  });
}

function hintOf(code: ErrorCode, message: string, ref: OriginRef): string | undefined {
  if (message === DISABLED) return 'the hub has disabled this repository; its page may say why';
  const oneName = code === 'repo_not_found' || code === 'auth_required' ? oneNameHint(ref) : undefined;
  return oneName === undefined ? undefined : `check the name and the token; ${oneName}`;
}

function hfErrorCode(response: OriginResponse, message: string, context: HfErrorContext): ErrorCode {
  const named = CODES[header(response.headers, 'x-error-code') ?? ''];
  if (named !== undefined) return named;
  if (message === DISABLED) return 'access_denied';
  switch (response.status) {
    case 401:
      // A token that the hub accepts never gets a 401 without a code: an absent repository is a 404 then.
      return message !== BAD_TOKEN && isAnonymous(context.credentials) ? 'auth_required' : 'auth_invalid';
    case 403:
      return 'access_denied';
    case 404:
    case 410:
      return context.absent;
    case 416:
      return 'origin_changed';
    default:
      return 'origin_protocol';
  }
}

function describe(ref: OriginRef, response: OriginResponse, message: string): string {
  const revision = ref.revision === '' ? '' : `@${ref.revision}`;
  const said = message === '' ? '' : `: ${printable(message)}`;
  return `${ref.repo}${revision} (${response.url.host} answered ${response.status}${said})`;
}

function bodyMessage(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string')
      return body.error;
  } catch {
    // No JSON: an error page of something before the hub, of no use in one line.
  }
  return '';
}

function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f]+/gu, ' ').slice(0, 300);
}
