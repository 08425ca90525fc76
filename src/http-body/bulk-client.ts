// GET for large bodies: the body comes straight from the socket, and the connection is kept for the next request. undici's
// parser and streams cost 1.2 to 1.7 CPU-s/GiB, this 0.5. For the rest (redirects, retries, quotas, credentials) an answer
// is like any other.

import type { LargeBody } from './bulk-body.ts';
import { BulkExchange, type BulkOptions } from './bulk-exchange.ts';
import type { BulkHead } from './bulk-head.ts';
import { BulkSocket } from './bulk-socket.ts';
import { dechunked } from './chunked-body.ts';

export interface BulkResponse extends Pick<BulkHead, 'status' | 'headers'> {
  readonly body: LargeBody;
}

/** Connections that wait for a next request: for each origin, and how long. Servers close theirs after 5 s to some minutes. */
const MAX_IDLE = 8;
const IDLE_MS = 10_000;

export class BulkClient {
  /** By origin; the last used is the last. */
  readonly #idle = new Map<string, BulkSocket[]>();

  /** Throws what the system says, `network_timeout`, `origin_protocol`, and the signal's reason. */
  async get(
    url: URL,
    headers: Readonly<Record<string, string>>,
    options: BulkOptions,
    signal: AbortSignal,
  ): Promise<BulkResponse> {
    signal.throwIfAborted();
    const kept = this.#takeIdle(url.origin);
    if (!kept) return await this.#ask(undefined, url, headers, options, signal);
    try {
      return await this.#ask(kept, url, headers, options, signal);
    } catch (error) {
      // The server may have closed it just when the request was sent.
      if (!(error instanceof NotAnswered)) throw error;
      return await this.#ask(undefined, url, headers, options, signal);
    }
  }

  /** Closes what waits. */
  close(): void {
    for (const sockets of this.#idle.values()) for (const socket of sockets) socket.destroy();
    this.#idle.clear();
  }

  async #ask(
    kept: BulkSocket | undefined,
    url: URL,
    headers: Readonly<Record<string, string>>,
    options: BulkOptions,
    signal: AbortSignal,
  ): Promise<BulkResponse> {
    const socket = kept ?? new BulkSocket(url, options.ca);
    const onAbort = (): void => exchange.failed(signal.reason as Error);
    const exchange = new BulkExchange(socket, url.host, options, (isGood) => {
      signal.removeEventListener('abort', onAbort);
      if (isGood) this.#keep(socket);
      else socket.destroy();
    });
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      exchange.start(url, headers, kept !== undefined);
      const { status, headers: answered, length } = await exchange.head;
      const body = length === 'chunked' ? dechunked(exchange.body) : exchange.body;
      return { status, headers: answered, body };
    } catch (error) {
      exchange.body.destroy();
      if (kept && !exchange.hasBegun && !signal.aborted) throw new NotAnswered();
      throw error;
    }
  }

  #takeIdle(origin: string): BulkSocket | undefined {
    const sockets = this.#idle.get(origin) ?? [];
    for (let socket = sockets.pop(); socket; socket = sockets.pop()) if (socket.isOpen) return socket;
    return undefined;
  }

  #keep(socket: BulkSocket): void {
    const sockets = this.#idle.get(socket.origin) ?? [];
    if (sockets.length >= MAX_IDLE || !socket.isOpen) {
      socket.destroy();
      return;
    }
    this.#idle.set(socket.origin, [...sockets, socket]);
    socket.onEnd = () => this.#forget(socket);
    socket.release(IDLE_MS);
  }

  #forget(socket: BulkSocket): void {
    const rest = (this.#idle.get(socket.origin) ?? []).filter((other) => other !== socket);
    if (rest.length > 0) this.#idle.set(socket.origin, rest);
    else this.#idle.delete(socket.origin);
  }
}

/** A kept connection ended without an answer. */
class NotAnswered extends Error {}
