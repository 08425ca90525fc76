// The other side: speaks the protocol well enough to get deep into it, and lets what it says be damaged on the way.

import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createIdentity } from '../../src/core/index.ts';
import { decodeMessage, encodeMessage, writeChunkHead } from '../../src/transport/codec.ts';
import { FrameParser } from '../../src/transport/frame-parser.ts';
import { CHUNK_HEAD_BYTES } from '../../src/transport/frame-types.ts';
import { helloFor } from '../../src/transport/handshake.ts';
import { MAX_CHUNK_BYTES } from '../../src/transport/limits.ts';
import type { WireMessage } from '../../src/transport/messages.ts';
import type { Chance } from './chance.ts';
import { mutate } from './mutate.ts';
import { PIECES, pieceBytes, proof, SNAPSHOT } from './owner.ts';

const MAX_STEPS = 30;
/** What waits to be written; beyond it nothing more is said. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024;

export class HostilePeer {
  readonly #socket: Socket;
  readonly #chance: Chance;
  /** How often a frame is damaged. */
  readonly #damage: number;
  readonly #splits: boolean;
  #isOpen = true;
  #nextChannel: number;
  #nextCall = 0;
  /** Whether it keeps to the protocol but for the damage. */
  readonly #isPolite: boolean;
  /** Channels that are open, and the next piece to ask for on each. */
  readonly #live = new Map<number, number>();

  constructor(socket: Socket, role: 'dialer' | 'acceptor', chance: Chance) {
    this.#socket = socket;
    this.#chance = chance;
    this.#damage = chance.of([0, 0, 0.02, 0.1, 0.5]);
    this.#splits = chance.often(0.5);
    this.#isPolite = chance.often(0.7);
    this.#nextChannel = role === 'dialer' ? 0 : 1;
    const parser = new FrameParser({
      onFrame: (type, payload) => {
        this.#heard(decodeMessage(type, payload));
        return undefined;
      },
      onChunk: () => undefined,
      onChunkBytes: () => undefined,
      onChunkEnd: () => undefined,
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isOpen = false;
    });
    if (chance.often(0.9)) socket.on('data', (bytes: Buffer) => parser.push(bytes, 0, bytes.length));
  }

  /** Says hello and whatever comes to its mind, and leaves in one way or another. */
  async run(): Promise<void> {
    const chance = this.#chance;
    const facts = { listenPort: 0, role: 'dialer' as const };
    if (chance.often(0.98)) this.#say(helloFor(createIdentity(), facts));
    for (let steps = chance.whole(0, MAX_STEPS); steps > 0 && this.#isOpen; steps -= 1) {
      if (this.#isPolite) this.#sayPolitely();
      else this.#sayAnything();
      if (chance.often(0.5)) await sleep(chance.whole(0, 3));
    }
    await sleep(chance.whole(0, 20));
    const way = chance.of(['goodbye', 'end', 'destroy', 'reset', 'fall silent'] as const);
    if (way === 'goodbye') this.#say({ kind: 'goodbye', code: 'done', text: '' });
    else if (way === 'end') this.#socket.end();
    else if (way === 'destroy') this.#socket.destroy();
    else if (way === 'reset') this.#socket.resetAndDestroy();
    // A goodbye may have been damaged into something else: who answered pings then would be a live peer for ever.
    this.#isOpen = false;
  }

  #sayPolitely(): void {
    const chance = this.#chance;
    const [channel, piece] = chance.of([...this.#live, undefined] as [[number, number] | undefined]) ?? [];
    if (channel === undefined || piece === undefined) {
      this.#say(
        chance.of<() => WireMessage>([
          () => this.#open(),
          () => ({ kind: 'ping', token: 7 }),
          () => this.#call(chance.bytes(chance.whole(0, 300))),
        ])(),
      );
      return;
    }
    const kind = chance.of(['request', 'request', 'request', 'cancel', 'have', 'bitfield', 'close'] as const);
    if (kind === 'request' && piece < PIECES) {
      this.#live.set(channel, piece + 1);
      this.#say({ kind, channel, piece });
    } else if (kind === 'cancel' && piece > 0) this.#say({ kind, channel, piece: piece - 1 });
    else if (kind === 'have') this.#say({ kind, channel, pieces: [piece % PIECES] });
    else if (kind === 'bitfield') this.#say({ kind, channel, bitfield: new Uint8Array(PIECES / 8) });
    else if (kind === 'close' && chance.often(0.2)) {
      this.#live.delete(channel);
      this.#say({ kind, channel });
    }
  }

  #sayAnything(): void {
    const chance = this.#chance;
    if (chance.often(0.03)) {
      this.#send(chance.bytes(chance.whole(1, 2000)));
      return;
    }
    const channel = this.#anyChannel();
    const piece = chance.whole(0, PIECES);
    const empty = new Uint8Array();
    this.#say(
      chance.of<() => WireMessage>([
        () => this.#open(),
        () => ({ kind: 'request', channel, piece }),
        () => ({ kind: 'request', channel, piece }),
        () => ({ kind: 'cancel', channel, piece }),
        () => ({ kind: 'have', channel, pieces: [piece, 1] }),
        () => ({ kind: 'bitfield', channel, bitfield: new Uint8Array(PIECES / 8).fill(85) }),
        () => ({ kind: 'close', channel }),
        () => ({ kind: 'reject', channel, piece, code: 'error', retryAfterMs: 0 }),
        () => ({ kind: 'ping', token: piece }),
        () => ({ kind: 'abandon', id: chance.whole(0, 3) }),
        () => this.#call(chance.bytes(chance.whole(0, 300))),
        () => ({ kind: 'answer', id: 0, ok: chance.often(0.5), last: true, body: empty }),
        () => ({ kind: 'piece', channel, piece, sizeBytes: 1 + piece, proof }),
        () => ({ kind: 'grants', channel, grants: [] }),
      ])(),
    );
  }

  #open(): WireMessage {
    const channel = this.#nextChannel;
    this.#nextChannel += 2;
    return { kind: 'open', channel, snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array() };
  }

  #call(body: Uint8Array): WireMessage {
    this.#nextCall += 1;
    return { kind: 'call', id: this.#nextCall, timeoutMs: 100, method: 'echo', body };
  }

  #anyChannel(): number {
    return this.#chance.of([0, 1, 2, 3, Math.max(0, this.#nextChannel - 2)]);
  }

  #heard(message: WireMessage): void {
    const chance = this.#chance;
    if (message.kind === 'opened') this.#live.set(message.channel, 0);
    else if (message.kind === 'close' || message.kind === 'refused') this.#live.delete(message.channel);
    if (message.kind === 'ping') this.#say({ kind: 'pong', token: message.token });
    else if (message.kind === 'open') {
      const { channel } = message;
      this.#live.set(channel, 0);
      this.#say({ kind: 'opened', channel, bitfield: new Uint8Array(PIECES / 8).fill(255) });
    } else if (message.kind === 'call') {
      const body = message.body;
      this.#say({ kind: 'answer', id: message.id, ok: true, last: true, body });
    } else if (message.kind === 'request') {
      const { channel, piece } = message;
      if (chance.often(0.1)) this.#say({ kind: 'reject', channel, piece, code: 'not-held', retryAfterMs: 0 });
      else this.#give(channel, piece);
    }
  }

  #give(channel: number, piece: number): void {
    const sizeBytes = pieceBytes(piece);
    this.#say({ kind: 'piece', channel, piece, sizeBytes, proof });
    const most = this.#chance.of([MAX_CHUNK_BYTES, 65_536, 1000]);
    for (let at = 0; at < sizeBytes; at += most) {
      const frame = Buffer.alloc(CHUNK_HEAD_BYTES + Math.min(most, sizeBytes - at), piece);
      writeChunkHead(frame, channel, piece, frame.length - CHUNK_HEAD_BYTES);
      this.#send(frame);
    }
  }

  #say(message: WireMessage): void {
    this.#send(encodeMessage(message));
  }

  #send(frame: Buffer): void {
    const chance = this.#chance;
    if (!this.#isOpen || this.#socket.destroyed || this.#socket.writableEnded) return;
    if (this.#socket.writableLength > MAX_WAITING_BYTES) return;
    const bytes = chance.often(this.#damage) ? mutate(frame, chance) : frame;
    const cut = this.#splits ? chance.whole(0, bytes.length) : bytes.length;
    if (cut > 0) this.#socket.write(bytes.subarray(0, cut));
    if (cut < bytes.length) this.#socket.write(bytes.subarray(cut));
  }
}
