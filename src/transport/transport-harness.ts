// For the tests of this folder: two transports over loopback with a link between them, a peer that can misbehave,
// and messages to throw about.

import net from 'node:net';
import {
  createIdentity,
  type Identity,
  PIECE_DIGEST_BYTES,
  type PieceProof,
  SIGNATURE_BYTES,
  type SnapshotId,
} from '../core/index.ts';
import type { CallHandler } from './call-server.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import { FrameParser } from './frame-parser.ts';
import { helloFor } from './handshake.ts';
import type { IncomingMessage, WireMessage } from './messages.ts';
import type { LinkHandlers, PeerLink } from './peer-link.ts';
import { type PeerListener, PeerTransport, type PeerTransportOptions } from './peer-transport.ts';

export const SNAPSHOT = 'ab'.repeat(32) as SnapshotId;
export const PIECES = 64;
const HOST = '127.0.0.1';

export const proof: PieceProof = {
  digest: new Uint8Array(PIECE_DIGEST_BYTES).fill(1),
  signer: createIdentity().id,
  signature: new Uint8Array(SIGNATURE_BYTES).fill(2),
};

/** Bytes that differ from place to place and piece to piece. */
export function contentOf(piece: number, sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  for (let at = 0; at + 4 <= sizeBytes; at += 4) bytes.writeUInt32LE((at * 2654435761 + piece) >>> 0, at);
  bytes.fill(piece, sizeBytes & ~3);
  return bytes;
}

export function readerOf(bytes: Buffer): (offset: number, target: Buffer) => Promise<void> {
  return async (offset, target) => {
    bytes.copy(target, 0, offset, offset + target.length);
  };
}

/** Things that arrive, to await one by one. */
export class Inbox<Item> {
  readonly #items: Item[] = [];
  readonly #takers: ((item: Item) => void)[] = [];

  put(item: Item): void {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  next(): Promise<Item> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  get size(): number {
    return this.#items.length;
  }
}

/** One end of a link, and what arrived at it. */
export class TestEnd {
  readonly inbox = new Inbox<IncomingMessage>();
  readonly links = new Inbox<PeerLink>();
  onCall: CallHandler = async () => new Uint8Array();
  readonly identity = createIdentity();
  readonly transport: PeerTransport;

  constructor(options: Partial<PeerTransportOptions> = {}) {
    this.transport = new PeerTransport({ identity: this.identity, ...options });
  }

  readonly attach = (link: PeerLink): LinkHandlers => {
    this.links.put(link);
    return {
      onMessage: (message) => this.inbox.put(message),
      onCall: (...call) => this.onCall(...call),
    };
  };

  listen(): Promise<PeerListener> {
    return this.transport.listen({ host: HOST, port: 0, attach: this.attach });
  }

  dial(port: number, signal?: AbortSignal): Promise<PeerLink> {
    return this.transport.dial({ host: HOST, port, attach: this.attach, ...(signal && { signal }) });
  }
}

export interface LinkPair extends AsyncDisposable {
  readonly dialer: TestEnd;
  readonly acceptor: TestEnd;
  readonly dialled: PeerLink;
  readonly accepted: PeerLink;
}

/** Two ends and the link between them; disposing closes both. */
export async function linkPair(
  dialerOptions: Partial<PeerTransportOptions> = {},
  acceptorOptions: Partial<PeerTransportOptions> = {},
): Promise<LinkPair> {
  const dialer = new TestEnd(dialerOptions);
  const acceptor = new TestEnd(acceptorOptions);
  const { port } = await acceptor.listen();
  const dialled = await dialer.dial(port);
  const accepted = await acceptor.links.next();
  return {
    dialer,
    acceptor,
    dialled,
    accepted,
    async [Symbol.asyncDispose]() {
      await Promise.all([dialer.transport.stop(), acceptor.transport.stop()]);
    },
  };
}

/** Opens a channel that the other end accepts; the `open` is taken from its inbox, the `opened` from ours. */
export async function openChannel(
  from: TestEnd,
  link: PeerLink,
  to: TestEnd,
  other: PeerLink,
): Promise<number> {
  const channel = link.open({ snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array() });
  await to.inbox.next();
  other.send({ kind: 'opened', channel, bitfield: new Uint8Array(PIECES / 8) });
  await from.inbox.next();
  return channel;
}

/** Some messages share an interface, so that `Extract` alone would find none of theirs. */
type MessageOf<Kind extends WireMessage['kind']> = WireMessage extends infer Each
  ? Each extends { kind: string }
    ? Kind extends Each['kind']
      ? Each
      : never
    : never
  : never;

/** A peer made of bytes: says what it is told to, and keeps what it hears. */
export class RawPeer implements AsyncDisposable {
  readonly socket: net.Socket;
  readonly identity: Identity = createIdentity();
  readonly heard = new Inbox<WireMessage>();
  /** Chunk payload that came. */
  chunkBytes = 0;
  readonly closed: Promise<void>;

  /** Over plain TCP, or a connection that there is. */
  constructor(port: number, socket = net.connect({ host: HOST, port })) {
    this.socket = socket;
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.on('error', () => undefined);
    const parser = new FrameParser({
      onFrame: (type, payload) => {
        this.heard.put(decodeMessage(type, payload));
        return undefined;
      },
      onChunk: () => undefined,
      onChunkBytes: (_source, start, end) => {
        this.chunkBytes += end - start;
      },
      onChunkEnd: () => undefined,
    });
    this.socket.on('data', (bytes: Buffer) => void parser.push(bytes, 0, bytes.length));
  }

  say(...messages: WireMessage[]): void {
    this.socket.write(Buffer.concat(messages.map(encodeMessage)));
  }

  sayHello(): void {
    this.say(helloFor(this.identity, { listenPort: 0, role: 'dialer' }));
  }

  /** The next message of a kind; others before it are dropped. */
  async hear<Kind extends WireMessage['kind']>(kind: Kind): Promise<MessageOf<Kind>> {
    for (;;) {
      const message = await this.heard.next();
      if (message.kind === kind) return message as MessageOf<Kind>;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}
