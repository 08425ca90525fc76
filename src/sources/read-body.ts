// Reads metadata: bounded, and checked against a schema before anything uses it.

import type { z } from 'zod';
import { AnaxError, formatBytes, MiB, redactUrl } from '../core/index.ts';
import { isRetryableError, toRequestError } from '../http-body/index.ts';
import {
  discard,
  drop,
  type OriginClient,
  type OriginRequest,
  type OriginResponse,
} from './origin-client.ts';
import { header } from './retry-policy.ts';

/** One page of a listing, one answer of an API, at most. */
const MAX_METADATA_BYTES = 64 * MiB;

/** An error page, at most: enough for its message. */
const MAX_ERROR_BYTES = 64 * 1024;

export interface TextResponse {
  readonly response: OriginResponse;
  readonly text: string;
}

/**
 * Sends a request and reads its whole answer; a cut while reading is retried like a failed request. An error
 * page comes back with at most 64 KiB of its text. Throws `limit_exceeded`, and what `send` throws.
 */
export async function fetchText(client: OriginClient, request: OriginRequest): Promise<TextResponse> {
  const patience = client.patience(request.signal);
  for (;;) {
    const response = await client.send(request, patience);
    try {
      return { response, text: await readText(response, request.signal, response.status < 300) };
    } catch (error) {
      const failure = toRequestError(error, response.url, request.signal);
      if (!isRetryableError(failure)) throw failure;
      await patience.retryAfter(failure);
    }
  }
}

/** An answer's text. Of a wanted one all, or `limit_exceeded`; of an error page as much as is of use. */
async function readText(response: OriginResponse, signal: AbortSignal, isWanted: boolean): Promise<string> {
  const limit = isWanted ? MAX_METADATA_BYTES : MAX_ERROR_BYTES;
  refuseEncoding(response);
  if (isWanted && Number(header(response.headers, 'content-length') ?? 0) > limit)
    throw tooLarge(response, limit);
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    signal.throwIfAborted();
    // A copy: a chunk is good until the next one only.
    chunks.push(Buffer.from(chunk));
    sizeBytes += chunk.length;
    if (sizeBytes <= limit) continue;
    if (isWanted) throw tooLarge(response, limit);
    break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The text of an answer that is an error; empty where it can't be read. */
export async function readErrorText(response: OriginResponse, signal: AbortSignal): Promise<string> {
  try {
    return await readText(response, signal, false);
  } catch (error) {
    await discard(response);
    toRequestError(error, response.url, signal);
    return '';
  }
}

function tooLarge(response: OriginResponse, limit: number): AnaxError {
  drop(response);
  return new AnaxError('limit_exceeded', `an answer of ${response.url.host} has over ${formatBytes(limit)}`);
}

/** Throws `origin_protocol` where the body is compressed: we asked for it as it is, and sizes would not fit. */
export function refuseEncoding(response: OriginResponse): void {
  const encoding = header(response.headers, 'content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return;
  drop(response);
  throw new AnaxError('origin_protocol', `${response.url.host} sends it encoded as ${encoding.slice(0, 40)}`);
}

/** Reads JSON of a form; throws `origin_protocol` that says where it differs. */
export function parseJson<Schema extends z.ZodType>(schema: Schema, text: string, url: URL): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notOfForm(url, 'not JSON');
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw notOfForm(url, `at ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`);
}

function notOfForm(url: URL, why: string): AnaxError {
  return new AnaxError('origin_protocol', `${url.host}: ${why.slice(0, 200)}`, {
    details: { url: redactUrl(url.href) },
  });
}
