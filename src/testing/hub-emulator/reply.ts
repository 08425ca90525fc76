/**
 * Answers as data: routes compute a Reply, the origin server sends it. Holds the rules of a file answer that
 * hub and CDN share: ranges, 416, conditional requests. No I/O.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { parseByteRange } from './byte-range.ts';
import type { Content } from './content.ts';

export type Headers = Readonly<Record<string, string | readonly string[]>>;

export type ReplyBody =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** A span of a file; end exclusive. */
  | { readonly kind: 'content'; readonly content: Content; readonly start: number; readonly end: number };

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body?: ReplyBody;
  /** Sends the body without Content-Length (an encoded body whose length the server doesn't know). */
  readonly chunked?: boolean;
}

export interface HubRequest {
  readonly method: string;
  /** Path as sent, still percent-encoded, without query. */
  readonly rawPath: string;
  /** Query as sent, without the question mark. */
  readonly rawQuery: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string;
  readBody(): Promise<Buffer>;
}

export type Handler = (request: HubRequest) => Reply | Promise<Reply>;

export function textReply(status: number, text: string, headers: Headers = {}): Reply {
  const bytes = Buffer.from(text, 'utf8');
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
    body: { kind: 'bytes', bytes },
  };
}

export function jsonReply(status: number, value: unknown, headers: Headers = {}): Reply {
  return textReply(status, JSON.stringify(value), {
    'content-type': 'application/json; charset=utf-8',
    ...headers,
  });
}

/** A redirect with a body, as hubs send it: its Content-Length says nothing about the file. */
export function redirectReply(status: 302 | 307, location: string, headers: Headers = {}): Reply {
  const text = status === 302 ? 'Found' : 'Temporary Redirect';
  return textReply(status, `${text}. Redirecting to ${location}`, { ...headers, location });
}

export function withHeaders(reply: Reply, headers: Headers): Reply {
  return { ...reply, headers: { ...headers, ...reply.headers } };
}

export interface FileReplyOptions {
  /** Quoted. */
  readonly etag?: string;
  readonly headers?: Headers;
  /** `ignore`: always the whole file with 200, as some gateways do. */
  readonly ranges?: 'honour' | 'ignore';
  /** What an empty file answers to a range. */
  readonly emptyRange?: '416' | '200';
}

export function fileReply(request: HubRequest, content: Content, options: FileReplyOptions = {}): Reply {
  const honour = options.ranges !== 'ignore';
  const headers: Headers = {
    'content-type': 'application/octet-stream',
    ...(options.etag ? { etag: options.etag } : {}),
    ...(honour ? { 'accept-ranges': 'bytes' } : {}),
    ...options.headers,
  };
  if (options.etag && isNotModified(request, options.etag)) return { status: 304, headers };
  const size = content.sizeBytes;
  const rangeHeader = honour && ifRangeHolds(request, options.etag) ? request.headers.range : undefined;
  const range = parseByteRange(rangeHeader, size);
  switch (range.kind) {
    case 'whole':
      return { status: 200, headers, body: { kind: 'content', content, start: 0, end: size } };
    case 'part': {
      const contentRange = `bytes ${range.start}-${range.end - 1}/${size}`;
      const body: ReplyBody = { kind: 'content', content, start: range.start, end: range.end };
      return { status: 206, headers: { ...headers, 'content-range': contentRange }, body };
    }
    case 'unsatisfiable': {
      const unsatisfied = { ...headers, 'content-range': `bytes */${size}` };
      if (size === 0 && options.emptyRange === '200') return { status: 200, headers: unsatisfied };
      return textReply(416, 'Requested range not satisfiable', unsatisfied);
    }
  }
}

/** Whether `If-None-Match` names this entity tag (weak comparison). */
export function isNotModified(request: HubRequest, etag: string): boolean {
  const bare = (tag: string): string => tag.trim().replace(/^W\//, '');
  const asked = request.headers['if-none-match'];
  return (
    asked !== undefined && asked.split(',').some((tag) => tag.trim() === '*' || bare(tag) === bare(etag))
  );
}

function ifRangeHolds(request: HubRequest, etag: string | undefined): boolean {
  const condition = request.headers['if-range'];
  return condition === undefined || condition === etag;
}
