// Finds out what is at a URL: size, version, name. By HEAD; where the server refuses that (as a URL signed for GET
// does) or tells no size, by a GET of the first byte, whose Content-Range tells the size.

import { AnaxError, MAX_BLOB_BYTES, type RepoPath, redactUrl, type SourceContext } from '../../core/index.ts';
import {
  discard,
  drop,
  type OriginClient,
  type OriginRequest,
  type OriginResponse,
} from '../origin-client.ts';
import { refuseEncoding } from '../read-body.ts';
import { header } from '../retry-policy.ts';
import { fileNameOf } from './file-name.ts';
import { httpError } from './http-error.ts';
import { type Validator, validatorOf } from './validator.ts';

export interface Probe {
  readonly name: RepoPath;
  readonly sizeBytes: number;
  readonly validator: Validator;
}

/** One request, or two. Throws what the server refuses with, `origin_protocol` where it tells no size. */
export async function probe(client: OriginClient, url: URL, context: SourceContext): Promise<Probe> {
  const { credentials, signal } = context;
  const request: OriginRequest = { method: 'HEAD', url, credentials, signal };
  const head = await client.send(request);
  await discard(head);
  const size = head.status === 200 ? wholeSize(head) : undefined;
  if (size !== undefined) return toProbe(client, url, head, size);
  if (isFinal(head.status)) throw httpError(head, credentials);
  const first = await client.send({ ...request, method: 'GET', headers: { range: 'bytes=0-0' } });
  drop(first);
  const sizeBytes = rangedSize(first);
  if (sizeBytes !== undefined) return toProbe(client, url, first, sizeBytes);
  if (first.status >= 400) throw httpError(first, credentials);
  throw new AnaxError(
    'origin_protocol',
    `${redactUrl(url.href)}: the server does not tell how large the file is`,
    {
      hint: 'files without a Content-Length are not supported',
    },
  );
}

/** Statuses that a GET would only repeat. 403 and 404 are not: signed URLs and simple servers know GET alone. */
function isFinal(status: number): boolean {
  return status === 401 || status === 407 || status === 410;
}

/** The name is of the URL that was asked for: where it redirects to is the server's own business. */
function toProbe(client: OriginClient, url: URL, response: OriginResponse, sizeBytes: number): Probe {
  refuseEncoding(response);
  if (sizeBytes > MAX_BLOB_BYTES)
    throw new AnaxError('limit_exceeded', `${redactUrl(url.href)}: ${sizeBytes} bytes`);
  return {
    name: fileNameOf(url, header(response.headers, 'content-disposition')),
    sizeBytes,
    validator: validatorOf(response.headers, client.clock.now()),
  };
}

function wholeSize(response: OriginResponse): number | undefined {
  return toSize(header(response.headers, 'content-length'));
}

/** Of an answer to `bytes=0-0`; an empty file has no first byte, and is a 416 that says so. */
function rangedSize(response: OriginResponse): number | undefined {
  if (response.status === 200) return wholeSize(response);
  const range = header(response.headers, 'content-range') ?? '';
  if (response.status === 206) return toSize(/^bytes 0-0\/(\d+)$/u.exec(range)?.[1]);
  return response.status === 416 ? toSize(/^bytes \*\/(0)$/u.exec(range)?.[1]) : undefined;
}

function toSize(text: string | undefined): number | undefined {
  return /^\d{1,16}$/u.test(text ?? '') ? Number(text) : undefined;
}
