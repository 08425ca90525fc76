// Reads files of a ModelScope hub: large ones through a redirect to its CDN, small ones from the gateway, which may
// ignore Range and may report an absent file as a 200 with an error envelope.

import {
  type AnaxError,
  hasCode,
  type ListedFile,
  type OriginRef,
  type OriginStream,
  type Range,
  rangeLength,
  type SourceContext,
} from '../../core/index.ts';
import { fingerprint } from '../credentials.ts';
import { HubDownloads, type HubFile } from '../hub-download.ts';
import type { OriginClient, OriginResponse } from '../origin-client.ts';
import { readErrorText } from '../read-body.ts';
import { NO_BYTES, wantedRange } from '../read-range.ts';
import { header } from '../retry-policy.ts';
import { apiRequest, browserUrl, downloadUrl } from './modelscope-api.ts';
import { modelscopeError } from './modelscope-error.ts';

export class ModelscopeDownloads {
  readonly #downloads: HubDownloads;

  constructor(client: OriginClient) {
    this.#downloads = new HubDownloads(client);
  }

  /** See `Source.get`. `branch` is what the hub is asked by. */
  async open(
    ref: OriginRef,
    branch: string,
    file: ListedFile,
    range: Range,
    context: SourceContext,
  ): Promise<OriginStream> {
    context.signal.throwIfAborted();
    const want = wantedRange(range, file.sizeBytes, context);
    if (rangeLength(range) === 0) return NO_BYTES;
    const from = (url: URL): HubFile => ({
      key: JSON.stringify([url.href, fingerprint(context.credentials)]),
      request: apiRequest(url, context),
      want,
      check: (response) => checkNoEnvelope(response, file, ref, context),
      refusal: (response) => refusal(response, ref, context),
    });
    try {
      return await this.#downloads.open(from(downloadUrl(ref, branch, file.path)));
    } catch (error) {
      if (!hasCode(error, 'file_not_found')) throw error;
    }
    return await this.#downloads.open(from(browserUrl(ref, branch, file.path)));
  }
}

async function refusal(response: OriginResponse, ref: OriginRef, context: SourceContext): Promise<AnaxError> {
  const text = await readErrorText(response, context.signal);
  return modelscopeError(response, text, { ref, credentials: context.credentials, absent: 'file_not_found' });
}

/** Throws what an error envelope in a 200 says. A JSON file is told from one by its size, which is known. */
async function checkNoEnvelope(
  response: OriginResponse,
  file: ListedFile,
  ref: OriginRef,
  context: SourceContext,
): Promise<void> {
  const isJson = header(response.headers, 'content-type')?.includes('json') ?? false;
  const length = Number(header(response.headers, 'content-length') ?? file.sizeBytes);
  if (response.status === 200 && isJson && length !== file.sizeBytes)
    throw await refusal(response, ref, context);
}
