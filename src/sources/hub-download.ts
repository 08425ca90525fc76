// Reads a range of a file that a hub hands out through a redirect to its CDN: asks the hub once where it is, checks what
// the hub says about it, reads from there without credentials, and asks again when the signed URL has ended.

import { AnaxError, type OriginStream, rangeLength, redactUrl } from '../core/index.ts';
import { type FileLocation, LocatedFiles } from './located-files.ts';
import {
  discard,
  drop,
  type OriginClient,
  type OriginRequest,
  type OriginResponse,
} from './origin-client.ts';
import { openRange, rangeHeaders, type WantedRange } from './read-range.ts';
import { isRedirect, redirectTarget } from './redirect.ts';
import { header } from './retry-policy.ts';

export interface HubFile {
  /** Names the file, its commit and the credentials. */
  readonly key: string;
  /** The question to the hub; the range is added to it. */
  readonly request: Omit<OriginRequest, 'redirect'>;
  readonly want: WantedRange;
  /** Checks the hub's 2xx and 3xx answers; throws `origin_changed` where they are about something else. */
  check(response: OriginResponse): void | Promise<void>;
  /** What an answer of the hub of 4xx means. */
  refusal(response: OriginResponse): Promise<AnaxError>;
}

export class HubDownloads {
  readonly #client: OriginClient;
  readonly #located: LocatedFiles;

  constructor(client: OriginClient) {
    this.#client = client;
    this.#located = new LocatedFiles(client.clock);
  }

  /** The range's bytes, exactly. A signed URL that the CDN refuses is renewed once. */
  async open(file: HubFile): Promise<OriginStream> {
    const response = (await this.#ask(file)) ?? (await this.#ask(file));
    if (response === undefined) {
      throw new AnaxError('origin_unavailable', 'the CDN refuses an address that the hub has just given');
    }
    return openRange(response, file.want, file.request.signal);
  }

  /** An answer that holds the range; `undefined` where the location has ended and must be asked for again. */
  async #ask(file: HubFile): Promise<OriginResponse | undefined> {
    let first: OriginResponse | undefined;
    const location = await this.#located.find(file.key, file.request.signal, async () => {
      const response = await this.#askHub(file);
      const signed = await toLocation(response);
      if (signed === undefined) first = response;
      return signed ?? { kind: 'direct' };
    });
    if (first !== undefined) return first;
    if (location.kind === 'signed') return await this.#openSigned(file, location, location.url);
    const response = await this.#askHub(file);
    if (!isRedirect(response.status)) return response;
    await discard(response);
    this.#located.forget(file.key, location);
    return undefined;
  }

  /** The hub's own answer: the bytes, or a redirect that leaves it. */
  async #askHub(file: HubFile): Promise<OriginResponse> {
    const { request, want } = file;
    const headers = { ...request.headers, ...rangeHeaders(want) };
    const response = await this.#client.send({
      ...request,
      headers,
      redirect: 'stay',
      expectedBytes: rangeLength(want.range),
    });
    if (response.status >= 400) throw await file.refusal(response);
    try {
      await file.check(response);
    } catch (error) {
      drop(response);
      throw error;
    }
    return response;
  }

  async #openSigned(file: HubFile, location: FileLocation, url: URL): Promise<OriginResponse | undefined> {
    const { request, want } = file;
    const headers = rangeHeaders(want);
    const response = await this.#client.send({
      method: 'GET',
      url,
      headers,
      requestClass: 'cdn',
      expectedBytes: rangeLength(want.range),
      signal: request.signal,
    });
    if (response.status < 400) return response;
    await discard(response);
    this.#located.forget(file.key, location);
    if (isEndedStatus(response.status)) return undefined;
    // 416: the store's file ends before the range, so it is not the file that was listed.
    throw new AnaxError(
      response.status === 416 ? 'origin_changed' : 'origin_unavailable',
      `${redactUrl(url.href)} answered ${response.status}`,
      {
        details: { url: redactUrl(url.href), status: response.status },
      },
    );
  }
}

/** What stores say to a signature that has ended: 403 mostly, 400 Google, 401 and 410 others. */
function isEndedStatus(status: number): boolean {
  return status === 400 || status === 401 || status === 403 || status === 410;
}

async function toLocation(response: OriginResponse): Promise<FileLocation | undefined> {
  if (!isRedirect(response.status)) return undefined;
  const url = redirectTarget(response.url, header(response.headers, 'location'));
  await discard(response);
  return { kind: 'signed', url };
}
