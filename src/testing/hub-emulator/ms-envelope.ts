/** The envelope of every ModelScope API answer, errors included. */
import { randomUUID } from 'node:crypto';
import { type Headers, jsonReply, type Reply } from './reply.ts';

export function success(data: unknown, headers: Headers = {}): Reply {
  return envelope(200, 200, true, 'success', data, headers);
}

/** `code` is ModelScope's own number; the HTTP status usually matches the kind of error. */
export function failure(status: number, code: number, message: string): Reply {
  return envelope(status, code, false, message, null, {});
}

export function notFound(what: string): Reply {
  return failure(404, 10010205001, `${what} not found`);
}

export function forbidden(status: 401 | 403 | 404): Reply {
  if (status === 404) return notFound('record');
  return failure(
    status,
    status === 401 ? 10990101002 : 10010203006,
    status === 401 ? 'please login' : 'no permission',
  );
}

function envelope(
  status: number,
  code: number,
  ok: boolean,
  message: string,
  data: unknown,
  headers: Headers,
): Reply {
  const requestId = randomUUID();
  const body = { Code: code, Success: ok, Message: message, RequestId: requestId, Data: data };
  return jsonReply(status, body, { ...headers, 'x-request-id': requestId });
}
