// What arrives on a link, handed to the part that answers for it. Before the remote's hello nothing but that and a
// goodbye is taken.

import { unreachable } from '../core/index.ts';
import type { CallClient } from './call-client.ts';
import type { CallServer } from './call-server.ts';
import type { ChannelTable } from './channel-table.ts';
import { decodeMessage } from './codec.ts';
import type { LinkVitals } from './link-vitals.ts';
import {
  type ChannelMessage,
  type GoodbyeMessage,
  type HelloMessage,
  type IncomingMessage,
  type RequestMessage,
  violation,
  type WireMessage,
} from './messages.ts';
import type { PieceReceiver } from './piece-receiver.ts';
import type { PieceSender } from './piece-sender.ts';
import type { RateGate } from './rate-gate.ts';
import { FIRST_PROBE_TOKEN } from './send-window.ts';
import type { PieceSink } from './stream-reader.ts';

export interface LinkFramesOptions {
  readonly channels: ChannelTable;
  readonly receiver: PieceReceiver;
  readonly sender: PieceSender;
  readonly calls: CallClient;
  readonly served: CallServer;
  readonly vitals: LinkVitals;
  readonly downloadGate: RateGate;
  /** Ends waiting at the gate. */
  readonly signal: AbortSignal;
  readonly send: (message: WireMessage) => void;
  /** Comes first, and once. Throws `HelloError`. */
  readonly onHello: (hello: HelloMessage) => void;
  readonly onGoodbye: (goodbye: GoodbyeMessage) => void;
  readonly onMessage: (message: IncomingMessage) => void;
}

export class LinkFrames implements PieceSink {
  readonly #options: LinkFramesOptions;
  #isReady = false;
  #chunkBytes = 0;

  constructor(options: LinkFramesOptions) {
    this.#options = options;
  }

  onFrame(type: number, payload: Buffer): Promise<void> | undefined {
    const message = decodeMessage(type, payload);
    if (this.#isReady) return this.#received(message);
    this.#receivedFirst(message);
    return undefined;
  }

  onChunk(channel: number, piece: number, sizeBytes: number): void {
    this.#chunkBytes = sizeBytes;
    this.#options.receiver.chunk(channel, piece, sizeBytes);
  }

  onChunkBytes(source: Buffer, start: number, end: number): void {
    this.#options.receiver.chunkBytes(source, start, end);
  }

  get isArriving(): boolean {
    return this.#options.receiver.isArriving;
  }

  chunkPlace(sizeBytes: number): Buffer | undefined {
    return this.#options.receiver.place(sizeBytes);
  }

  onChunkEnd(): Promise<void> | undefined {
    const { receiver, downloadGate, signal } = this.#options;
    receiver.chunkEnd(performance.now());
    return downloadGate.pass(this.#chunkBytes, signal);
  }

  #receivedFirst(message: WireMessage): void {
    if (message.kind === 'goodbye') return this.#options.onGoodbye(message);
    if (message.kind !== 'hello') throw violation(`a ${message.kind} before hello`);
    this.#options.onHello(message);
    this.#isReady = true;
    return undefined;
  }

  #received(message: WireMessage): Promise<void> | undefined {
    const { receiver, sender, calls, served, vitals, send, onGoodbye } = this.#options;
    switch (message.kind) {
      case 'hello':
        throw violation('a second hello');
      case 'goodbye':
        onGoodbye(message);
        return undefined;
      case 'ping':
        send({ kind: 'pong', token: message.token });
        return undefined;
      case 'pong':
        if (message.token < FIRST_PROBE_TOKEN) vitals.pong(message.token);
        else sender.taken(message.token, performance.now());
        return undefined;
      case 'reject':
        receiver.rejected(message);
        return undefined;
      case 'piece':
        return receiver.begin(message, performance.now());
      case 'call':
        served.called(message);
        return undefined;
      case 'answer':
        calls.answered(message);
        return undefined;
      case 'abandon':
        served.abandoned(message.id);
        return undefined;
      case 'request':
      case 'cancel':
        this.#receivedRequest(message);
        return undefined;
      case 'open':
      case 'opened':
      case 'refused':
      case 'close':
      case 'bitfield':
      case 'have':
      case 'grants':
      case 'verdicts':
        this.#receivedForChannel(message);
        return undefined;
      default:
        return unreachable(message);
    }
  }

  #receivedForChannel(message: ChannelMessage): void {
    const { channels, sender, send, onMessage } = this.#options;
    const admission = channels.received(message);
    if (admission === 'refuse') {
      send({ kind: 'refused', channel: message.channel, code: 'limit' });
    } else if (admission === 'deliver') {
      if (message.kind === 'close') sender.channelClosed(message.channel);
      onMessage(message);
    }
  }

  #receivedRequest(message: RequestMessage): void {
    const { channels, sender, send, onMessage } = this.#options;
    const { channel, piece } = message;
    if (channels.received(message) === 'drop') {
      // A cancel needs no answer: the request had one when the channel was closed.
      if (message.kind === 'request') {
        send({ kind: 'reject', channel, piece, code: 'closed', retryAfterMs: 0 });
      }
      return;
    }
    if (message.kind === 'cancel') sender.cancelled(message);
    else if (!sender.requested(message)) return;
    onMessage(message);
  }
}
