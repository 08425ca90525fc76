/**
 * One listening host of an emulated hub (the hub itself or its CDN): accepts connections up to a cap, logs every
 * request, strikes with faults, asks its handler for a Reply and sends it. Owns its sockets: `stop` destroys
 * them and is idempotent. Listens on loopback.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Faults, FaultTarget, HeadFault } from './faults.ts';
import type { Bandwidth } from './pacer.ts';
import { type Handler, type HubRequest, type Reply, textReply } from './reply.ts';
import type { LogEntry, RequestLog } from './request-log.ts';
import { resetConnection, sendReply } from './send-reply.ts';

export interface OriginServerDeps {
  readonly host: 'hub' | 'cdn';
  readonly handler: Handler;
  readonly faults: Faults;
  readonly log: RequestLog;
  readonly bandwidth: Bandwidth;
  readonly clock: () => number;
}

export interface OriginServerOptions {
  /** Address to listen on. */
  readonly address: string;
  /** Name under which clients reach it. */
  readonly hostname: string;
  /** 0 takes a free port. */
  readonly port?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Connections beyond it are closed at once. */
  readonly maxConnections?: number;
}

const MAX_REQUEST_BODY_BYTES = 4 << 20;
const KEEP_ALIVE_MS = 60_000;

export class OriginServer {
  readonly #deps: OriginServerDeps;
  readonly #options: OriginServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #url: string | undefined;

  constructor(deps: OriginServerDeps, options: OriginServerOptions) {
    this.#deps = deps;
    this.#options = options;
    const onRequest = (req: IncomingMessage, res: ServerResponse): void => void this.#handle(req, res);
    this.#server = options.tls ? createTlsServer(options.tls, onRequest) : createServer(onRequest);
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
    if (options.maxConnections !== undefined) this.#server.maxConnections = options.maxConnections;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => socket.destroy());
    });
  }

  /** Scheme, name and port, with no slash at the end. */
  get url(): string {
    if (!this.#url) throw new Error('server is not started');
    return this.#url;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async start(): Promise<void> {
    const { address, hostname, port = 0, tls } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, address, resolve);
    });
    const bound = this.#server.address() as AddressInfo;
    this.#url = `${tls ? 'https' : 'http'}://${hostname}:${bound.port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { host, faults, log, bandwidth } = this.#deps;
    const target: FaultTarget = { host, method: req.method ?? 'GET', path: req.url ?? '/' };
    const entry = this.#logEntry(req, target);
    try {
      log.begin(entry);
      const reply = await this.#answer(req, res, target);
      if (!reply || res.destroyed) return;
      log.answered(entry, reply.status);
      entry.complete = await sendReply(res, reply, {
        isHead: req.method === 'HEAD',
        pacers: reply.body?.kind === 'content' ? bandwidth.pacersFor(req.socket) : [],
        takeFaults: (span) => faults.takeBody(target, span),
        onSent: (bytes) => log.sent(entry, bytes, reply.body?.kind === 'content'),
      });
    } catch (error) {
      this.#fail(res, error);
    } finally {
      entry.ended = true;
    }
  }

  async #answer(req: IncomingMessage, res: ServerResponse, target: FaultTarget): Promise<Reply | undefined> {
    const struck = this.#deps.faults.takeHead(target);
    for (const fault of struck) if (fault.kind === 'delay') await pause(fault.delayMs, res);
    const terminal = struck.find((fault) => fault.kind !== 'delay');
    if (terminal) return strike(terminal, res);
    return this.#deps.handler(toHubRequest(req));
  }

  #logEntry(req: IncomingMessage, target: FaultTarget): LogEntry {
    const { headers } = req;
    const range = headers.range === undefined ? {} : { range: headers.range };
    return {
      ...target,
      headers,
      ...range,
      startedAt: this.#deps.clock(),
      status: 0,
      bytesSent: 0,
      complete: false,
      ended: false,
    };
  }

  /** A bug of the emulator must show as such, never as a hub's behaviour. */
  #fail(res: ServerResponse, error: unknown): void {
    process.emitWarning(error instanceof Error ? error : String(error), 'HubEmulatorError');
    if (res.headersSent) res.destroy();
    else res.writeHead(599, { 'content-type': 'text/plain' }).end(`hub emulator: ${String(error)}`);
  }
}

function strike(fault: HeadFault, res: ServerResponse): Reply | undefined {
  switch (fault.kind) {
    case 'status':
      return textReply(fault.status, fault.body ?? `injected ${fault.status}`, fault.headers ?? {});
    case 'reset':
      resetConnection(res.socket);
      return undefined;
    case 'hang':
    case 'delay':
      return undefined;
  }
}

async function pause(ms: number, res: ServerResponse): Promise<void> {
  const closed = new AbortController();
  const abort = (): void => closed.abort();
  res.once('close', abort);
  await delay(ms, undefined, { signal: closed.signal }).catch(() => undefined);
  res.off('close', abort);
}

function toHubRequest(req: IncomingMessage): HubRequest {
  const target = req.url ?? '/';
  const mark = target.indexOf('?');
  const rawQuery = mark < 0 ? '' : target.slice(mark + 1);
  return {
    method: req.method ?? 'GET',
    rawPath: mark < 0 ? target : target.slice(0, mark),
    rawQuery,
    query: new URLSearchParams(rawQuery),
    headers: req.headers,
    remoteAddress: req.socket.remoteAddress ?? '',
    readBody: () => readBody(req),
  };
}

async function readBody(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of req) {
    const bytes = chunk as Buffer;
    sizeBytes += bytes.length;
    if (sizeBytes > MAX_REQUEST_BODY_BYTES) throw new RangeError('request body too large');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
