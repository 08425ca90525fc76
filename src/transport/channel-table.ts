// Which channels of a link are open. Pure. The opener of a channel chooses its number: even for the side that
// dialled, odd for the side that accepted, rising and never used twice on a link. So a number below the next one that
// is not in the table is a channel that was closed, and messages for it, sent before the sender knew, are ignored
// without remembering anything.

import { AnaxError, assert, Bitfield } from '../core/index.ts';
import { type ChannelMessage, type RequestMessage, violation } from './messages.ts';

/** Numbers stay below this. At a thousand a second it is reached after 24 days; the link is closed and dialled anew. */
const CHANNEL_END = 2 ** 31;

/** `asking`: we sent the open; `asked`: the remote did, and waits for our answer. */
type ChannelState = 'asking' | 'asked' | 'open';

interface Channel {
  readonly pieceCount: number;
  state: ChannelState;
}

/** What to do with a message that arrived: hand it on, drop it (a race with a close), or refuse the open. */
export type Admission = 'deliver' | 'drop' | 'refuse';

export class ChannelTable {
  readonly #channels = new Map<number, Channel>();
  readonly #maxChannels: number;
  readonly #ownParity: 0 | 1;
  #nextOwn: number;
  #nextTheirs: number;

  constructor(role: 'dialer' | 'acceptor', maxChannels: number) {
    this.#ownParity = role === 'dialer' ? 0 : 1;
    this.#nextOwn = this.#ownParity;
    this.#nextTheirs = 1 - this.#ownParity;
    this.#maxChannels = maxChannels;
  }

  get size(): number {
    return this.#channels.size;
  }

  /** Pieces of an open channel; `undefined` where it isn't open. */
  pieceCount(channel: number): number | undefined {
    const known = this.#channels.get(channel);
    return known?.state === 'open' ? known.pieceCount : undefined;
  }

  /** Notes a channel that we ask for, and returns its number: the one asked for, or the next. Throws `limit_exceeded`. */
  openOwn(pieceCount: number, channel = this.#nextOwn): number {
    assert(channel >= this.#nextOwn && (channel & 1) === this.#ownParity, 'numbers of channels rise');
    if (this.#channels.size >= this.#maxChannels || channel >= CHANNEL_END) {
      throw new AnaxError('limit_exceeded', `a link has ${this.#maxChannels} channels at most`);
    }
    this.#nextOwn = channel + 2;
    this.#channels.set(channel, { pieceCount, state: 'asking' });
    return channel;
  }

  /**
   * Notes a message that we want to send, and says whether to send it: not where the channel is gone, and not before
   * it is open, but for what an accepting side may say first.
   */
  sending(message: Exclude<ChannelMessage, { kind: 'open' }>): boolean {
    const channel = this.#channels.get(message.channel);
    if (!channel) return false;
    if (message.kind === 'close') return this.#channels.delete(message.channel);
    if (message.kind === 'opened' || message.kind === 'refused') {
      assert(channel.state === 'asked', `${message.kind} answers an open`);
      if (message.kind === 'opened') channel.state = 'open';
      else this.#channels.delete(message.channel);
      return true;
    }
    return channel.state === 'open' || (channel.state === 'asked' && isKnowledge(message));
  }

  /** Judges a message that arrived. Throws `peer_protocol`. */
  received(message: ChannelMessage | RequestMessage): Admission {
    if (message.kind === 'open') return this.#receivedOpen(message.channel, message.pieceCount);
    const channel = this.#channels.get(message.channel);
    if (!channel) return this.#receivedForGone(message.channel);
    if (message.kind === 'opened' || message.kind === 'refused') {
      if (channel.state !== 'asking') throw violation(`a ${message.kind} that answers nothing`);
      checkPieces(channel, message);
      if (message.kind === 'opened') channel.state = 'open';
      else this.#channels.delete(message.channel);
    } else if (message.kind === 'close') {
      this.#channels.delete(message.channel);
    } else {
      const early = channel.state === 'asking' && isKnowledge(message);
      if (channel.state !== 'open' && !early) throw violation(`a ${message.kind} before the channel is open`);
      checkPieces(channel, message);
    }
    return 'deliver';
  }

  #receivedOpen(channel: number, pieceCount: number): Admission {
    if ((channel & 1) === this.#ownParity || channel < this.#nextTheirs || channel >= CHANNEL_END) {
      throw violation(`channel ${channel} is not the remote's to open`);
    }
    this.#nextTheirs = channel + 2;
    if (this.#channels.size >= this.#maxChannels) return 'refuse';
    this.#channels.set(channel, { pieceCount, state: 'asked' });
    return 'deliver';
  }

  #receivedForGone(channel: number): Admission {
    const next = (channel & 1) === this.#ownParity ? this.#nextOwn : this.#nextTheirs;
    if (channel >= next) throw violation(`channel ${channel} was never opened`);
    return 'drop';
  }
}

/** What the side that is asked for a channel may send before `opened`, so that the opener can judge what follows. */
function isKnowledge({ kind }: ChannelMessage | RequestMessage): boolean {
  return kind === 'grants' || kind === 'verdicts';
}

function checkPieces({ pieceCount }: Channel, message: ChannelMessage | RequestMessage): void {
  if ('bitfield' in message && !Bitfield.fromBytes(pieceCount, message.bitfield)) {
    throw violation('a bitfield of the wrong length');
  }
  if ('pieces' in message) for (const piece of message.pieces) checkPiece(pieceCount, piece);
  if ('piece' in message) checkPiece(pieceCount, message.piece);
}

function checkPiece(pieceCount: number, piece: number): void {
  if (piece >= pieceCount) throw violation(`piece ${piece} of ${pieceCount}`);
}
