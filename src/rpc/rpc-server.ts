// Servers for Connect routers: HTTP/1.1 on a Unix socket (control), HTTP/2 without TLS on TCP (scheduler). Both answer
// the Connect, gRPC and gRPC-Web protocols as far as their HTTP version allows.

import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { MiB, toAnaxError } from '../core/index.ts';
import { errorInterceptor } from './rpc-error.ts';
import { claimSocketPath, restrictSocket } from './unix-socket.ts';

/** Largest message taken: a request with 100,000 globs fits; a bitfield has at most 128 KiB. */
const MAX_REQUEST_BYTES = 4 * MiB;

/** How long `close` waits for open calls by default. */
const CLOSE_DEADLINE_MS = 5_000;

export type RpcRoutes = (router: ConnectRouter) => void;

/** A request listener for `node:http` and `node:http2` alike. */
export type RpcListener = ReturnType<typeof connectNodeAdapter>;

/** For a server of one's own; `fallback` answers the paths that are no RPC. */
export function createRpcListener(routes: RpcRoutes, fallback?: RpcListener): RpcListener {
  return connectNodeAdapter({
    routes,
    interceptors: [errorInterceptor],
    readMaxBytes: MAX_REQUEST_BYTES,
    acceptCompression: [],
    ...(fallback && { fallback }),
  });
}

export interface RpcServer {
  /** Absent for a Unix socket. */
  readonly port: number | undefined;
  /** Takes no new calls, waits for open ones up to the deadline, then breaks them. Idempotent. */
  close(deadlineMs?: number): Promise<void>;
}

export interface SocketServerOptions {
  /** Its folder is made if it is missing. A socket that a dead daemon left is replaced. */
  readonly socketPath: string;
  /** Permissions of the socket: who may connect may use all of it. Default 0o660. */
  readonly mode?: number;
}

/** Serves on a Unix socket. Throws `config_invalid` where the path is taken, by another daemon or a file. */
export async function startSocketServer(routes: RpcRoutes, options: SocketServerOptions): Promise<RpcServer> {
  await claimSocketPath(options.socketPath);
  const server = createHttpServer(createRpcListener(routes));
  await listen(server, { path: options.socketPath });
  await restrictSocket(options.socketPath, options.mode ?? 0o660);
  const stop = closer(server, () => server.closeAllConnections());
  return {
    port: undefined,
    close: (deadlineMs) => {
      server.closeIdleConnections();
      return stop(deadlineMs);
    },
  };
}

export interface Http2ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** Serves HTTP/2 without TLS. */
export async function startHttp2Server(routes: RpcRoutes, options: Http2ServerOptions): Promise<RpcServer> {
  const server = createHttp2Server(createRpcListener(routes));
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    // A peer that vanishes resets its connection; the streams on it report that to their handlers.
    session.on('error', () => {});
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await listen(server, { host: options.host, port: options.port });
  const stop = closer(server, () => {
    // To destroy a session that is closing waits for its client, which a host that was cut off never answers.
    for (const socket of sockets) socket.destroy();
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: (deadlineMs) => {
      for (const session of sessions) session.close();
      return stop(deadlineMs);
    },
  };
}

async function listen(server: Server, where: { path: string } | Http2ServerOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(where, resolve);
  try {
    await promise;
  } catch (error) {
    throw toAnaxError(error, 'config_invalid');
  } finally {
    server.off('error', reject);
  }
}

function closer(server: Server, breakOff: () => void): (deadlineMs?: number) => Promise<void> {
  let closed: Promise<void> | undefined;
  return (deadlineMs = CLOSE_DEADLINE_MS) => {
    closed ??= new Promise((resolve) => {
      const timer = setTimeout(breakOff, deadlineMs);
      server.close(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    return closed;
  };
}
