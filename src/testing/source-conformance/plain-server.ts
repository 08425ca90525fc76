// A plain web server for tests of http:// sources: files in memory with validators, ranges and conditions, that can
// also refuse HEAD, ignore ranges, redirect, cut, stall and hang. On loopback; `close` destroys its connections.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface PlainFile {
  readonly bytes: Uint8Array;
  /** As sent, quotes included. Default none. */
  readonly etag?: string;
  /** HTTP date. Default none. */
  readonly modified?: string;
  /** Answers 401 without `Authorization: Bearer <token>`. */
  readonly token?: string;
  readonly redirectTo?: string;
  /** Every request is refused with it. */
  readonly status?: number;
  /** The status of HEAD, where it is refused. */
  readonly headStatus?: number;
  /** Default true. */
  readonly ranges?: boolean;
  /** Whether Content-Length and Content-Range tell the size. Default true. */
  readonly sized?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

interface PlainRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export interface PlainServer {
  /** Scheme, host and port. */
  readonly url: string;
  /** By path and query as they are requested. */
  readonly files: Map<string, PlainFile>;
  readonly requests: PlainRequest[];
  /** The next body closes or stops after so many bytes. */
  breakNext(kind: 'cut' | 'stall', afterBytes: number): void;
  /** Answers nothing from now on. */
  hang(): void;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
}

/** `hostname` is the name in its URL: `127.0.0.1` or `localhost`, so that two servers differ in it. */
export async function startPlainServer(hostname = '127.0.0.1'): Promise<PlainServer> {
  const files = new Map<string, PlainFile>();
  const requests: PlainRequest[] = [];
  const sockets = new Set<Socket>();
  let broken: { kind: 'cut' | 'stall'; afterBytes: number } | undefined;
  let hangs = false;
  const server = createServer((request, response) => {
    requests.push({ method: request.method ?? '', path: request.url ?? '', headers: request.headers });
    if (hangs) return;
    const answer = answerTo(request, files.get(request.url ?? ''));
    const fault =
      request.method === 'HEAD' || answer.body.length <= (broken?.afterBytes ?? 0) ? undefined : broken;
    if (fault !== undefined) broken = undefined;
    sendAnswer(response, answer, request.method === 'HEAD', fault);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://${hostname}:${(server.address() as AddressInfo).port}`,
    files,
    requests,
    breakNext: (kind, afterBytes) => {
      broken = { kind, afterBytes };
    },
    hang: () => {
      hangs = true;
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function answerTo(request: IncomingMessage, file: PlainFile | undefined): Answer {
  const { headers, method } = request;
  if (file === undefined) return plain(404);
  if (file.token !== undefined && headers.authorization !== `Bearer ${file.token}`) return plain(401);
  if (file.status !== undefined) return plain(file.status);
  if (method === 'HEAD' && file.headStatus !== undefined) return plain(file.headStatus);
  if (file.redirectTo !== undefined) return plain(302, { location: file.redirectTo });
  if (headers['if-match'] !== undefined && headers['if-match'] !== file.etag) return plain(412);
  const since = headers['if-unmodified-since'];
  if (since !== undefined && since !== file.modified) return plain(412);
  const fields: Record<string, string> = {
    ...(file.etag === undefined ? {} : { etag: file.etag }),
    ...(file.modified === undefined ? {} : { 'last-modified': file.modified }),
    ...file.headers,
  };
  return fileAnswer(file, fields, method === 'GET' && file.ranges !== false ? headers.range : undefined);
}

function fileAnswer(file: PlainFile, headers: Record<string, string>, range: string | undefined): Answer {
  const { bytes, sized = true } = file;
  const length = (body: Uint8Array) => (sized ? { 'content-length': String(body.length) } : {});
  const size = sized ? String(bytes.length) : '*';
  const match = /^bytes=(\d+)-(\d+)$/u.exec(range ?? '');
  if (match === null) return { status: 200, headers: { ...headers, ...length(bytes) }, body: bytes };
  const start = Number(match[1]);
  const end = Math.min(Number(match[2]) + 1, bytes.length);
  if (start >= bytes.length) return plain(416, { 'content-range': `bytes */${size}` });
  const body = bytes.subarray(start, end);
  const contentRange = `bytes ${start}-${end - 1}/${size}`;
  return { status: 206, headers: { ...headers, ...length(body), 'content-range': contentRange }, body };
}

function plain(status: number, headers: Record<string, string> = {}): Answer {
  return { status, headers, body: new Uint8Array(0) };
}

function sendAnswer(
  response: ServerResponse,
  { status, headers, body }: Answer,
  isHead: boolean,
  fault: { kind: 'cut' | 'stall'; afterBytes: number } | undefined,
): void {
  response.writeHead(status, headers);
  if (isHead) response.end();
  else if (fault === undefined) response.end(body);
  else {
    response.write(body.subarray(0, fault.afterBytes), () => {
      if (fault.kind === 'cut') response.destroy();
    });
  }
}
