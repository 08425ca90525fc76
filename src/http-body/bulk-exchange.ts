// One GET and its answer on a connection: the body straight from the socket into two buffers.

import { AnaxError } from '../core/index.ts';
import { BulkBody } from './bulk-body.ts';
import { type BulkHead, encodeRequest, MAX_HEAD_BYTES, parseHead } from './bulk-head.ts';
import type { BulkSocket, SocketUser } from './bulk-socket.ts';

/** Plain data: the body may come in in another thread. */
export interface BulkOptions {
  readonly connectTimeoutMs: number;
  /** From the request to the answer's head. */
  readonly headersTimeoutMs: number;
  /** Between two reads of a body that is waited for. */
  readonly bodyTimeoutMs: number;
  /** Certificates to trust; default: Node's own. */
  readonly ca?: readonly string[];
}

export class BulkExchange implements SocketUser {
  readonly body: BulkBody;
  readonly #socket: BulkSocket;
  readonly #host: string;
  readonly #options: BulkOptions;
  readonly #onDone: (socketIsGood: boolean) => void;
  readonly #head = Promise.withResolvers<BulkHead>();
  #known: BulkHead | undefined;
  #isDone = false;
  /** Whether anything was answered. */
  hasBegun = false;
  /** Bytes of the body that are to come; `undefined` where its end is the connection's, or its chunks say it. */
  #left: number | undefined;

  /** `onDone` is called once, when the connection is not used any more. */
  constructor(
    socket: BulkSocket,
    host: string,
    options: BulkOptions,
    onDone: (socketIsGood: boolean) => void,
  ) {
    this.#socket = socket;
    this.#host = host;
    this.#options = options;
    this.#onDone = onDone;
    // Who waits for the head sees it; after that it is told through the body.
    this.#head.promise.catch(() => undefined);
    this.body = new BulkBody(
      () => this.#resume(),
      () => this.#end(false),
    );
  }

  /** Sends the request. On a connection that is still being made, its time-out counts first. */
  start(url: URL, headers: Readonly<Record<string, string>>, isConnected: boolean): void {
    const request = encodeRequest(url, headers);
    this.#socket.use(this);
    this.#socket.setTimeout(isConnected ? this.#options.headersTimeoutMs : this.#options.connectTimeoutMs);
    this.#socket.write(request);
  }

  get head(): Promise<BulkHead> {
    return this.#head.promise;
  }

  get target(): Buffer {
    return this.body.target;
  }

  connected(): void {
    this.#socket.setTimeout(this.#options.headersTimeoutMs);
  }

  timedOut(): void {
    this.failed(new AnaxError('network_timeout', this.#host));
  }

  failed(error: Error): void {
    this.#head.reject(error);
    this.body.end(error);
    this.#end(false);
  }

  closed(): void {
    const cut = new AnaxError('network_unreachable', `${this.#host}: the connection closed`);
    this.#head.reject(cut);
    this.body.end(this.#known && this.#left === undefined ? undefined : cut);
    this.#end(false);
  }

  received(bytes: number): boolean {
    this.hasBegun = true;
    const mayGoOn = this.body.received(bytes);
    if (this.#known) this.#count(bytes);
    else this.#lookForHead();
    // A reader that takes its time is no fault of the server's.
    if (!mayGoOn && !this.#isDone) this.#socket.setTimeout(0);
    return mayGoOn || this.#isDone;
  }

  #resume(): void {
    if (this.#isDone) return;
    this.#socket.setTimeout(this.#options.bodyTimeoutMs);
    this.#socket.resume();
  }

  #lookForHead(): void {
    const bytes = this.body.peek();
    const end = bytes.subarray(0, MAX_HEAD_BYTES).indexOf('\r\n\r\n');
    if (end === -1) {
      if (bytes.length >= MAX_HEAD_BYTES) this.failed(this.#wrong('its head does not end'));
      return;
    }
    const head = parseHead(bytes.toString('latin1', 0, end));
    this.body.skip(end + 4);
    if (head === 'interim') {
      this.#lookForHead();
      return;
    }
    if (head === undefined) {
      this.failed(this.#wrong('its head makes no sense'));
      return;
    }
    this.#known = head;
    this.#socket.setTimeout(this.#options.bodyTimeoutMs);
    this.#left = head.length === 'chunked' ? undefined : head.length;
    this.#head.resolve(head);
    this.#count(bytes.length - end - 4);
  }

  #count(bytes: number): void {
    if (this.#left === undefined) return;
    this.#left -= bytes;
    if (this.#left > 0) return;
    const isExcess = this.#left < 0;
    this.body.end(isExcess ? this.#wrong('more bytes than its Content-Length') : undefined);
    this.#end(!isExcess && this.#known?.keepsAlive === true);
  }

  #end(socketIsGood: boolean): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#onDone(socketIsGood);
  }

  #wrong(why: string): AnaxError {
    return new AnaxError('origin_protocol', `${this.#host}: ${why}`);
  }
}
