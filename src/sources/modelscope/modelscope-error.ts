// What an error of a ModelScope hub means: by HTTP status, or by the envelope's code where the status is a false 200.

import { AnaxError, type Credentials, type ErrorCode, type OriginRef, redactUrl } from '../../core/index.ts';
import { isAnonymous, withoutSecrets } from '../credentials.ts';
import type { OriginResponse } from '../origin-client.ts';
import { type Envelope, envelopeSchema } from './modelscope-api.ts';

export interface ModelscopeErrorContext {
  readonly ref: OriginRef;
  readonly credentials: Credentials;
  /** What a 404 is about. */
  readonly absent: 'repo_not_found' | 'file_not_found';
}

/** `text` is the answer's body: an envelope, or anything. */
export function modelscopeError(
  response: OriginResponse,
  text: string,
  context: ModelscopeErrorContext,
): AnaxError {
  const envelope = readEnvelope(text);
  const status = response.status >= 400 ? response.status : envelopeStatus(envelope);
  const said = envelope?.Message ? `: ${printable(envelope.Message)}` : '';
  const { ref, credentials } = context;
  const message = `${ref.repo} (${response.url.host} answered ${response.status}${said})`;
  return new AnaxError(codeOf(status, context), withoutSecrets(message, credentials), {
    details: {
      url: withoutSecrets(redactUrl(response.url.href), credentials),
      status: response.status,
      repo: ref.repo,
      ...(envelope === undefined ? {} : { envelopeCode: envelope.Code }),
    },
  });
}

export function readEnvelope(text: string): Envelope | undefined {
  try {
    const result = envelopeSchema.safeParse(JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

function codeOf(status: number, { credentials, absent }: ModelscopeErrorContext): ErrorCode {
  switch (status) {
    case 401:
      return isAnonymous(credentials) ? 'auth_required' : 'auth_invalid';
    case 403:
      return isAnonymous(credentials) ? 'auth_required' : 'access_denied';
    case 404:
    case 410:
      return absent;
    case 416:
      return 'origin_changed';
    case 429:
      return 'rate_limited';
    default:
      return 'origin_protocol';
  }
}

/** The status that an error envelope in a 200 should have had. */
function envelopeStatus(envelope: Envelope | undefined): number {
  const code = envelope?.Code ?? 0;
  if (code >= 400 && code < 600) return code;
  return /not\s*(found|exist)/iu.test(envelope?.Message ?? '') ? 404 : 0;
}

function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f]+/gu, ' ').slice(0, 300);
}
