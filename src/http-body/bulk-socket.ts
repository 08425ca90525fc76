// A connection to an origin that one request after the other uses. Whoever uses it says where the next bytes go; while
// nobody does, it is watched: what then comes, or that it ends, ends it.

import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { KiB } from '../core/index.ts';

/** Who uses a connection is told of what happens to it. */
export interface SocketUser {
  /** Where the next bytes go. */
  readonly target: Buffer;
  /** Bytes have come there; whether there is room for more at once. */
  received(bytes: number): boolean;
  connected(): void;
  timedOut(): void;
  failed(error: Error): void;
  closed(): void;
}

/** What a read takes that began before there was a user: a head, and what comes with it. */
const FIRST_BYTES = 16 * KiB;

export class BulkSocket {
  readonly origin: string;
  readonly #socket: Socket;
  /** Node asks where the next bytes go as soon as the last have come. */
  readonly #first = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #user: SocketUser | undefined;
  /** Called when it can't be used any more. */
  onEnd: () => void = () => undefined;

  constructor(url: URL, ca: readonly string[] | undefined) {
    this.origin = url.origin;
    this.#socket = open(url, ca, {
      buffer: () => this.#user?.target ?? this.#first,
      callback: (bytes, buffer) => this.#received(bytes, buffer),
    });
    const connected = url.protocol === 'https:' ? 'secureConnect' : 'connect';
    this.#socket.once(connected, () => this.#user?.connected());
    this.#socket.on('timeout', () => {
      if (this.#user) this.#user.timedOut();
      else this.destroy();
    });
    this.#socket.on('error', (error) => this.#user?.failed(error));
    for (const event of ['end', 'close']) this.#socket.on(event, () => this.#closed());
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && !this.#socket.readableEnded;
  }

  use(user: SocketUser): void {
    this.#user = user;
    this.#socket.ref();
  }

  /** Nobody uses it now; without a next user it is closed after so many milliseconds. It keeps no process alive. */
  release(idleMs: number): void {
    this.#user = undefined;
    this.#socket.setTimeout(idleMs);
    this.#socket.resume();
    this.#socket.unref();
  }

  write(text: string): void {
    this.#socket.write(text);
  }

  /** In milliseconds without a byte; 0 for no end. */
  setTimeout(timeoutMs: number): void {
    this.#socket.setTimeout(timeoutMs);
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #received(bytes: number, buffer: Uint8Array): boolean {
    if (!this.#user) {
      this.destroy();
      return false;
    }
    if (buffer.buffer === this.#first.buffer) this.#user.target.set(buffer.subarray(0, bytes));
    return this.#user.received(bytes);
  }

  #closed(): void {
    this.#user?.closed();
    this.destroy();
    this.onEnd();
  }
}

function open(url: URL, ca: readonly string[] | undefined, onread: OnReadOpts): Socket {
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
