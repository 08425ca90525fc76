// The daemon seen from outside: its control API over its Unix socket, as the same port that the engine implements.
// Connect over HTTP/1.1, one request per connection and call, so that an aborted call is a closed connection.

import { Agent } from 'node:http';
import { type Client, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { type AnaxError, parsePeerId } from '../core/index.ts';
import { checkPathsAbsolute, eventFromWire, requestToWire } from './control-convert.ts';
import type {
  BlobSelector,
  ControlApi,
  DownloadEvent,
  DownloadRequest,
  TrafficLimits,
  VerifyEvent,
  VerifyRequest,
} from './control-types.ts';
import { Control } from './gen/anax/v1/control_pb.js';
import { limitsFromWire, limitsToWire } from './limits-convert.ts';
import { fromConnectError } from './rpc-error.ts';
import { listingFromWire, selectorToWire, statusFromWire } from './status-convert.ts';
import { verifyEventFromWire, verifyRequestToWire } from './verify-convert.ts';

/** A connected generated client, for who wants the messages themselves. */
export interface ControlConnection {
  readonly client: Client<typeof Control>;
  close(): void;
}

/** Opens nothing yet: the first call connects. */
export function createControlClient(socketPath: string): ControlConnection {
  const agent = new Agent({ keepAlive: true });
  const transport = createConnectTransport({
    httpVersion: '1.1',
    baseUrl: 'http://anax.local',
    nodeOptions: { socketPath, agent },
    // A local socket: compressing costs more than it saves.
    acceptCompression: [],
  });
  return { client: createClient(Control, transport), close: () => agent.destroy() };
}

/** The daemon behind a socket. Every call throws AnaxErrors; `daemon_unavailable` where nobody answers. */
export function connectControl(socketPath: string): ControlApi {
  return new RemoteControl(socketPath);
}

class RemoteControl implements ControlApi {
  readonly #socketPath: string;
  readonly #connection: ControlConnection;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
    this.#connection = createControlClient(socketPath);
  }

  async ping(signal: AbortSignal) {
    const { version, peerId } = await this.#unary(signal, (client) => client.ping({}, { signal }));
    return { version, peerId: parsePeerId(peerId) };
  }

  async status(signal: AbortSignal) {
    return statusFromWire(await this.#unary(signal, (client) => client.status({}, { signal })));
  }

  async list(signal: AbortSignal) {
    return listingFromWire(await this.#unary(signal, (client) => client.listBlobs({}, { signal })));
  }

  async setLimits(change: Partial<TrafficLimits>, signal: AbortSignal): Promise<TrafficLimits> {
    const request = limitsToWire(change);
    return limitsFromWire(await this.#unary(signal, (client) => client.setLimits(request, { signal })));
  }

  async remove(target: BlobSelector, signal: AbortSignal) {
    const request = { target: selectorToWire(target) };
    const { blobs, freedBytes } = await this.#unary(signal, (c) => c.removeBlob(request, { signal }));
    return { blobs, freedBytes: Number(freedBytes) };
  }

  pin(target: BlobSelector, signal: AbortSignal) {
    return this.#setPinned(target, true, signal);
  }

  unpin(target: BlobSelector, signal: AbortSignal) {
    return this.#setPinned(target, false, signal);
  }

  async #setPinned(target: BlobSelector, pinned: boolean, signal: AbortSignal) {
    const request = { target: selectorToWire(target), pinned };
    const { name, blobs } = await this.#unary(signal, (client) => client.pin(request, { signal }));
    return { name, blobs };
  }

  async *download(request: DownloadRequest, signal: AbortSignal): AsyncIterable<DownloadEvent> {
    checkPathsAbsolute(request);
    const messages = this.#connection.client.download(requestToWire(request), { signal });
    for await (const message of this.#converted(messages, signal)) {
      const event = eventFromWire(message);
      if (event) yield event;
    }
  }

  async *verify(request: VerifyRequest, signal: AbortSignal): AsyncIterable<VerifyEvent> {
    const messages = this.#connection.client.verify(verifyRequestToWire(request), { signal });
    for await (const message of this.#converted(messages, signal)) {
      const event = verifyEventFromWire(message);
      if (event) yield event;
    }
  }

  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }

  async #unary<Answer>(
    signal: AbortSignal,
    call: (client: Client<typeof Control>) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await call(this.#connection.client);
    } catch (error) {
      throw this.#toError(error, signal);
    }
  }

  async *#converted<Item>(items: AsyncIterable<Item>, signal: AbortSignal): AsyncIterable<Item> {
    try {
      yield* items;
    } catch (error) {
      throw this.#toError(error, signal);
    }
  }

  /** An abort by the caller passes through as its own reason. */
  #toError(error: unknown, signal: AbortSignal): AnaxError {
    signal.throwIfAborted();
    return fromConnectError(error, { unreachable: 'daemon_unavailable', target: this.#socketPath });
  }
}
