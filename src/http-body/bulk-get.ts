// GET for large bodies: one connection, one request, the body straight from the socket into two buffers. undici's parser
// and streams cost 1.2 to 1.7 CPU-s/GiB, this 0.5. For the rest (redirects, retries, quotas, credentials) an answer is
// like any other.

import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { AnaxError } from '../core/index.ts';
import { BulkBody, type LargeBody } from './bulk-body.ts';
import { type BulkHead, encodeRequest, MAX_HEAD_BYTES, parseHead } from './bulk-head.ts';
import { dechunked } from './chunked-body.ts';

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

export interface BulkResponse extends Omit<BulkHead, 'length'> {
  readonly body: LargeBody;
}

/** Throws what the system says, `network_timeout`, `origin_protocol`, and the signal's reason. */
export async function bulkGet(
  url: URL,
  headers: Readonly<Record<string, string>>,
  options: BulkOptions,
  signal: AbortSignal,
): Promise<BulkResponse> {
  signal.throwIfAborted();
  const exchange = new Exchange(url, options);
  const onAbort = (): void => exchange.fail(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  exchange.socket.once('close', () => signal.removeEventListener('abort', onAbort));
  exchange.socket.write(encodeRequest(url, headers));
  const { status, headers: answered, length } = await exchange.head;
  const body = length === 'chunked' ? dechunked(exchange.body) : exchange.body;
  return { status, headers: answered, body };
}

class Exchange {
  readonly socket: Socket;
  readonly body: BulkBody;
  readonly #host: string;
  readonly #options: BulkOptions;
  readonly #head = Promise.withResolvers<BulkHead>();
  #headKnown = false;
  /** Bytes of the body that are to come; `undefined` where its end is the connection's. */
  #left: number | undefined;

  constructor(url: URL, options: BulkOptions) {
    this.#host = url.host;
    this.#options = options;
    // Who waits for the head sees it; after that it is told through the body.
    this.#head.promise.catch(() => undefined);
    this.body = new BulkBody(
      () => {
        this.socket.setTimeout(this.#options.bodyTimeoutMs);
        this.socket.resume();
      },
      () => this.socket.destroy(),
    );
    this.socket = open(url, options, {
      buffer: () => this.body.target,
      callback: (bytes) => this.#received(bytes),
    });
    this.socket.setTimeout(options.connectTimeoutMs);
    this.socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
      this.socket.setTimeout(this.#headKnown ? options.bodyTimeoutMs : options.headersTimeoutMs);
    });
    this.socket.on('timeout', () => this.fail(new AnaxError('network_timeout', this.#host)));
    this.socket.on('error', (error) => this.fail(error));
    this.socket.on('end', () => this.#closed());
    this.socket.on('close', () => this.#closed());
  }

  get head(): Promise<BulkHead> {
    return this.#head.promise;
  }

  fail(error: Error): void {
    this.#head.reject(error);
    this.body.end(error);
    this.socket.destroy();
  }

  #received(bytes: number): boolean {
    const mayGoOn = this.body.received(bytes);
    if (this.#headKnown) this.#count(bytes);
    else this.#lookForHead();
    // A reader that takes its time is no fault of the server's.
    if (!mayGoOn) this.socket.setTimeout(0);
    return mayGoOn;
  }

  #lookForHead(): void {
    const bytes = this.body.peek();
    const end = bytes.subarray(0, MAX_HEAD_BYTES).indexOf('\r\n\r\n');
    if (end === -1) {
      if (bytes.length >= MAX_HEAD_BYTES) this.fail(this.#wrong('its head does not end'));
      return;
    }
    const head = parseHead(bytes.toString('latin1', 0, end));
    this.body.skip(end + 4);
    if (head === 'interim') {
      this.#lookForHead();
      return;
    }
    if (head === undefined) {
      this.fail(this.#wrong('its head makes no sense'));
      return;
    }
    this.#headKnown = true;
    this.socket.setTimeout(this.#options.bodyTimeoutMs);
    this.#left = head.length === 'chunked' ? undefined : head.length;
    this.#head.resolve(head);
    this.#count(bytes.length - end - 4);
  }

  #count(bytes: number): void {
    if (this.#left === undefined) return;
    this.#left -= bytes;
    if (this.#left > 0) return;
    const excess = this.#left < 0 ? this.#wrong('more bytes than its Content-Length') : undefined;
    this.body.end(excess);
    this.socket.destroy();
  }

  #closed(): void {
    const cut = new AnaxError('network_unreachable', `${this.#host}: the connection closed`);
    this.#head.reject(cut);
    this.body.end(this.#left === undefined && this.#headKnown ? undefined : cut);
    this.socket.destroy();
  }

  #wrong(why: string): AnaxError {
    return new AnaxError('origin_protocol', `${this.#host}: ${why}`);
  }
}

function open(url: URL, { ca }: BulkOptions, onread: OnReadOpts): Socket {
  const isTls = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[(.*)\]$/u, '$1');
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  if (!isTls) return connectTcp({ host, port, onread });
  const options: ConnectionOptions & { readonly onread: OnReadOpts } = {
    host,
    port,
    onread,
    ALPNProtocols: ['http/1.1'],
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca && { ca: [...ca] }),
  };
  return connectTls(options);
}
