// One connection to a peer: the handshake, then frames to the parts that answer for them, and one end for all of it.
//
// Invariants: nothing but a goodbye is accepted before the remote's hello, and nothing is handed to the owner before
// it; a link ends once, for one reason, with which everything under way is rejected, and every buffer goes back to
// its pool; whatever a remote sends leads to at most that end.

import type { Socket } from 'node:net';
import {
  type AnaxError,
  assert,
  type Identity,
  type Logger,
  type PeerId,
  type PieceHasher,
} from '../core/index.ts';
import type { BufferPool } from './buffer-pool.ts';
import { CallClient, type CallOptions } from './call-client.ts';
import { type CallHandler, CallServer } from './call-server.ts';
import { ChannelTable } from './channel-table.ts';
import { encodeMessage } from './codec.ts';
import { FrameWriter } from './frame-writer.ts';
import { acceptHello, helloFor } from './handshake.ts';
import type { LinkActivity } from './keepalive.ts';
import type { LinkLimits } from './limits.ts';
import { endError, LinkFault, toFault } from './link-end.ts';
import { LinkFrames } from './link-frames.ts';
import { LinkVitals } from './link-vitals.ts';
import {
  type GoodbyeCode,
  type HelloMessage,
  type OutgoingMessage,
  PeerReject,
  violation,
  type WireMessage,
} from './messages.ts';
import type {
  AttachLink,
  ChannelOpening,
  LinkEnd,
  LinkHandlers,
  LinkRemote,
  LinkStats,
  PeerLink,
} from './peer-link.ts';
import { PieceReceiver, type PieceRequest, type ReceivedPiece } from './piece-receiver.ts';
import { PieceSender } from './piece-sender.ts';
import type { PieceToSend } from './piece-step.ts';
import type { RateGate } from './rate-gate.ts';
import type { SpanReader } from './span-reader.ts';
import { splitMessage } from './split-message.ts';
import type { StreamReader } from './stream-reader.ts';

/** What the links of a process share. */
export interface LinkResources {
  readonly identity: Identity;
  readonly limits: LinkLimits;
  readonly logger: Logger;
  readonly receivePool: BufferPool;
  readonly createHasher: (() => PieceHasher) | undefined;
  readonly sendPool: BufferPool;
  readonly spans: SpanReader;
  readonly uploadGate: RateGate;
  readonly downloadGate: RateGate;
}

export interface LinkOptions {
  readonly role: 'dialer' | 'acceptor';
  /** Connected. */
  readonly socket: Socket;
  /** Reading from the socket already, or about to. */
  readonly reader: StreamReader;
  readonly listenPort: number;
  readonly expectedPeerId?: PeerId | undefined;
  /** What only the two ends of this TLS connection know; undefined without TLS. */
  readonly binding?: Uint8Array | undefined;
  readonly attach: AttachLink;
}

export class Link implements PeerLink {
  readonly role: 'dialer' | 'acceptor';
  /** Resolves when both sides have said hello; rejects where the link ends before. */
  readonly ready: Promise<void>;
  readonly closed: Promise<LinkEnd>;
  readonly #resources: LinkResources;
  readonly #options: LinkOptions;
  readonly #host: string;
  readonly #ready = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<LinkEnd>();
  readonly #ending = new AbortController();
  readonly #writer: FrameWriter;
  readonly #channels: ChannelTable;
  readonly #receiver: PieceReceiver;
  readonly #sender: PieceSender;
  readonly #calls: CallClient;
  readonly #served: CallServer;
  readonly #vitals: LinkVitals;
  #lingerTimer: NodeJS.Timeout | undefined;
  #handlers: LinkHandlers | undefined;
  #remote: LinkRemote | undefined;
  #end: LinkEnd | undefined;
  #socketError: Error | undefined;

  constructor(resources: LinkResources, options: LinkOptions) {
    const { limits } = resources;
    this.#resources = resources;
    this.#options = options;
    this.role = options.role;
    this.#host = options.socket.remoteAddress ?? '';
    this.ready = this.#ready.promise;
    this.closed = this.#closed.promise;
    this.ready.catch(() => undefined); // `closed` says it, too; who dials awaits `ready`.
    this.#writer = new FrameWriter(options.socket, {
      maxControlBytes: limits.maxControlBytes,
      onSlow: () => this.#fail(new LinkFault('slow', violation('too much waits for a slow reader'))),
    });
    this.#channels = new ChannelTable(options.role, limits.maxChannels);
    const send = (message: WireMessage) => this.#send(message);
    this.#receiver = new PieceReceiver({
      pool: resources.receivePool,
      createHasher: resources.createHasher,
      maxRequests: limits.maxRequests,
      send,
    });
    this.#sender = new PieceSender({
      pool: resources.sendPool,
      spans: resources.spans,
      maxRequests: limits.maxRequests,
      gate: resources.uploadGate,
      reject: send,
      bulk: (frames) => this.#writer.bulk(frames),
    });
    this.#calls = new CallClient(limits.maxCalls, send);
    this.#served = new CallServer({
      handler: (...call) => this.#answer(...call),
      maxCalls: limits.maxCalls,
      maxCallBytes: limits.maxCallBytes,
      control: (frame) => this.#writer.control(frame),
      bulk: (frames) => this.#writer.bulk(frames),
    });
    this.#vitals = new LinkVitals({
      limits,
      host: this.#host,
      activity: (nowMs) => this.#activity(nowMs),
      ping: (token) => this.#send({ kind: 'ping', token }),
      onStalled: () => this.#sender.stalled(),
      onDead: (fault) => this.#fail(fault),
    });
    this.#begin();
  }

  #begin(): void {
    const { socket, reader, listenPort, binding } = this.#options;
    socket.on('error', (error) => {
      this.#socketError = error;
    });
    socket.on('end', () => this.#lost());
    socket.on('close', () => this.#socketClosed());
    this.#send(helloFor(this.#resources.identity, { listenPort, role: this.role, binding }));
    reader.start(socket, this.#frames(), (error) => this.#fail(toFault(error)));
  }

  #frames(): LinkFrames {
    return new LinkFrames({
      channels: this.#channels,
      receiver: this.#receiver,
      sender: this.#sender,
      calls: this.#calls,
      served: this.#served,
      vitals: this.#vitals,
      downloadGate: this.#resources.downloadGate,
      signal: this.#ending.signal,
      send: (message) => this.#send(message),
      onHello: (hello) => this.#greeted(hello),
      onGoodbye: ({ code, text }) => this.#finish('remote', code, endError('remote', code, text)),
      onMessage: (message) => this.#handlers?.onMessage(message),
    });
  }

  get remote(): LinkRemote {
    assert(this.#remote, 'a link has a remote once it is ready');
    return this.#remote;
  }

  get stats(): LinkStats {
    return {
      bytesIn: this.#options.reader.bytesIn,
      bytesOut: this.#writer.bytesOut,
      rttMs: this.#vitals.rttMs,
      requestsOut: this.#receiver.outstanding,
      requestsIn: this.#sender.unanswered,
    };
  }

  // --- for the owner

  open({ snapshot, pieceCount, ticket, channel: asked }: ChannelOpening): number {
    if (this.#end) throw this.#end.error;
    const channel = this.#channels.openOwn(pieceCount, asked);
    this.#send({ kind: 'open', channel, snapshot, pieceCount, ticket });
    return channel;
  }

  send(message: OutgoingMessage): void {
    if (this.#end) return;
    if (message.kind === 'reject') {
      this.#sender.reject(message);
      return;
    }
    if (!this.#channels.sending(message)) return;
    for (const part of splitMessage(message)) this.#send(part);
    if (message.kind === 'close') this.#sender.channelClosed(message.channel);
  }

  async requestPiece(request: PieceRequest): Promise<ReceivedPiece> {
    if (this.#end) throw this.#end.error;
    const pieceCount = this.#channels.pieceCount(request.channel);
    if (pieceCount === undefined) throw new PeerReject('closed');
    assert(request.piece < pieceCount, `piece ${request.piece} of ${pieceCount}`);
    return await this.#receiver.request(request);
  }

  async sendPiece(piece: PieceToSend): Promise<void> {
    if (this.#end) throw this.#end.error;
    await this.#sender.send(piece);
  }

  async call(method: string, body: Uint8Array, options?: CallOptions): Promise<Uint8Array> {
    if (this.#end) throw this.#end.error;
    return await this.#calls.call(method, body, options);
  }

  close(code: GoodbyeCode = 'done'): Promise<LinkEnd> {
    this.#finish('local', code, endError('local', code, ''));
    return this.closed;
  }

  /** Calls arrive after the hello only. */
  async #answer(...call: Parameters<CallHandler>): Promise<Uint8Array> {
    assert(this.#handlers, 'a link that serves calls is attached');
    return await this.#handlers.onCall(...call);
  }

  // --- what arrives

  #greeted(message: HelloMessage): void {
    const { expectedPeerId, binding, attach } = this.#options;
    const hello = acceptHello(message, {
      ownId: this.#resources.identity.id,
      expectedId: expectedPeerId,
      role: this.role === 'dialer' ? 'acceptor' : 'dialer',
      binding,
    });
    this.#vitals.ready();
    const { peerId, publicKey, listenPort } = hello;
    this.#remote = { peerId, publicKey, isProven: binding !== undefined, host: this.#host, listenPort };
    this.#handlers = attach(this);
    this.#ready.resolve();
  }

  #send(message: WireMessage): void {
    if (!this.#end) this.#writer.control(encodeMessage(message));
  }

  // --- life

  #activity(nowMs: number): LinkActivity {
    const { reader } = this.#options;
    const { sendPool, receivePool } = this.#resources;
    return {
      nowMs,
      lastReadAtMs: reader.lastReadAtMs,
      lastWriteAtMs: this.#writer.lastWriteAtMs,
      reading: reader.reading,
      writingForMs: this.#writer.writingForMs(nowMs),
      stalledForMs: Math.max(this.#writer.stalledForMs(nowMs), this.#sender.waitingForMs(nowMs)),
      // Reading that went on after a stop counts as progress: the remote could not be heard before.
      lastChunkAtMs: this.#receiver.isArriving ? this.#receiver.lastProgressAtMs : undefined,
      sendersWait: sendPool.waiting > 0,
      receiversWait: receivePool.waiting > 0,
    };
  }

  #fail(fault: LinkFault): void {
    if (this.#end) return;
    const fields = { host: this.#host, peer: this.#remote?.peerId, error: fault.error.message };
    if (fault.code === 'internal') this.#resources.logger.error('a link failed by a bug', fields);
    else this.#resources.logger.warn('a link was given up', fields);
    this.#finish('local', fault.code, fault.error);
  }

  #lost(): void {
    this.#finish('network', 'lost', endError('network', 'lost', this.#socketError?.message ?? ''));
  }

  #finish(by: LinkEnd['by'], code: LinkEnd['code'], error: AnaxError): void {
    if (this.#end) return;
    this.#end = { by, code, error };
    this.#vitals.stop();
    this.#options.reader.stop();
    this.#receiver.close(error);
    this.#sender.close(error);
    this.#calls.close(error);
    this.#served.close(error);
    this.#ending.abort(error);
    this.#ready.reject(error);
    const { socket } = this.#options;
    if (by === 'local' && code !== 'lost') {
      this.#writer.finish(encodeMessage({ kind: 'goodbye', code, text: goodbyeText(error) }));
      this.#lingerTimer = setTimeout(() => socket.destroy(), this.#resources.limits.lingerMs);
    } else {
      socket.destroy();
    }
  }

  #socketClosed(): void {
    this.#lost();
    clearTimeout(this.#lingerTimer);
    this.#receiver.place(0);
    this.#writer.close();
    assert(this.#end, 'a closed link has an end');
    this.#closed.resolve(this.#end);
  }
}

/** ASCII, so that cutting it cannot split a character. */
function goodbyeText(error: AnaxError): string {
  return error.message.replace(/[^\x20-\x7e]/gu, '?').slice(0, 256);
}
