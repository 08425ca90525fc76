/** A plain HTTP client for the emulator's own tests: follows nothing, decodes nothing, adds no headers. */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the body ended as announced. */
  readonly complete: boolean;
  text(): string;
  json(): unknown;
}

export interface CallOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly ca?: string;
  /** Ends the call. */
  readonly signal?: AbortSignal;
}

/** Rejects only if there is no answer at all; a broken body shows as `complete: false`. */
export function call(url: string, options: CallOptions = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, body, ca, signal } = options;
  const send = url.startsWith('https:') ? httpsRequest : httpRequest;
  const settings = {
    method,
    headers,
    agent: false as const,
    ...(ca ? { ca } : {}),
    ...(signal ? { signal } : {}),
  };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const req = send(url, settings, (res) => {
    const chunks: Buffer[] = [];
    const finish = (): void => {
      const all = Buffer.concat(chunks);
      const text = (): string => all.toString('utf8');
      const status = res.statusCode ?? 0;
      resolve({
        status,
        headers: res.headers,
        body: all,
        complete: res.complete,
        text,
        json: () => JSON.parse(text()),
      });
    };
    res.on('data', (chunk: Buffer) => chunks.push(chunk));
    res.on('error', () => undefined);
    res.on('close', finish);
  });
  req.on('error', reject);
  req.end(body);
  return promise;
}

/** Follows redirects by hand, sending `headers` to the first host only. */
export async function follow(url: string, options: CallOptions = {}): Promise<Answer> {
  const answer = await call(url, options);
  const { location } = answer.headers;
  if (answer.status < 300 || answer.status >= 400 || location === undefined) return answer;
  const next = new URL(location, url);
  const { headers = {} } = options;
  const kept = next.host === new URL(url).host ? headers : withoutAuthorization(headers);
  return follow(next.href, { ...options, headers: kept });
}

function withoutAuthorization(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'authorization'));
}
