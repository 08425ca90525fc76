// What an error of a plain web server means.

import { AnaxError, type Credentials, type ErrorCode, redactUrl } from '../../core/index.ts';
import { isAnonymous } from '../credentials.ts';
import type { OriginResponse } from '../origin-client.ts';

export function httpError(response: OriginResponse, credentials: Credentials): AnaxError {
  const { url, status } = response;
  return new AnaxError(codeOf(status, credentials), `${redactUrl(url.href)} answered ${status}`, {
    details: { url: redactUrl(url.href), status },
    ...(status === 401 && isAnonymous(credentials)
      ? { hint: "pass credentials: -H 'Authorization: …'" }
      : {}),
  });
}

function codeOf(status: number, credentials: Credentials): ErrorCode {
  switch (status) {
    case 401:
      return isAnonymous(credentials) ? 'auth_required' : 'auth_invalid';
    case 403:
      return 'access_denied';
    case 404:
    case 410:
      return 'file_not_found';
    // The range and the condition come from what the server said before: it has another file by now.
    case 412:
    case 416:
      return 'origin_changed';
    default:
      return 'origin_protocol';
  }
}
