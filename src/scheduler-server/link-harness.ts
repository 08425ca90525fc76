// For tests: peers, a clock, and a daemon that keeps what its link tells it.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  Bitfield,
  type Clock,
  createIdentity,
  type Identity,
  type PeerInfo,
  type PeerRole,
  type SnapshotId,
} from '../core/index.ts';
import type { JoinFacts, SchedulerLink, SchedulerMessage } from './index.ts';

export const realClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
};

export const SNAPSHOT = 'ab'.repeat(32) as SnapshotId;
export const PIECES = 16;

/** Times short enough for tests over real sockets. */
export const FAST = {
  settleMs: 600,
  startSettleMs: 0,
  restartSettleMs: 0,
  peerTtlMs: 1_500,
  retryMs: 100,
} as const;

export function peerOf(identity: Identity, role: PeerRole = 'peer'): PeerInfo {
  const { id, publicKey } = identity;
  return { id, publicKey, host: '127.0.0.1', port: 7411, role, zone: 'z', hostname: 'h', version: 't' };
}

export function newPeer(role?: PeerRole): PeerInfo {
  return peerOf(createIdentity(), role);
}

export function joinFacts(changes: Partial<JoinFacts> = {}): JoinFacts {
  return {
    snapshot: SNAPSHOT,
    pieceCount: PIECES,
    held: new Uint8Array(),
    url: 'hf://owner/name@main',
    origin: 'hub.example',
    totalBytes: 1_000,
    grants: [],
    lease: undefined,
    ...changes,
  };
}

export function heldBytes(...pieces: number[]): Uint8Array {
  const field = new Bitfield(PIECES);
  for (const piece of pieces) field.add(piece);
  return field.toBytes();
}

type MessageOf<Kind extends SchedulerMessage['kind']> = Extract<SchedulerMessage, { kind: Kind }>;

/** A link with its messages kept until a test asks for them. */
export class Listener {
  readonly link: SchedulerLink;
  readonly all: SchedulerMessage[] = [];
  readonly #unread: SchedulerMessage[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(link: SchedulerLink) {
    this.link = link;
    link.onMessage((message) => {
      this.all.push(message);
      this.#unread.push(message);
      this.#wake.resolve();
    });
  }

  /** The next message of a kind; those of other kinds before it are dropped. Fails after 5 s. */
  async next<Kind extends SchedulerMessage['kind']>(kind: Kind): Promise<MessageOf<Kind>> {
    const late = AbortSignal.timeout(5_000);
    const isLate = new Promise<never>((_, reject) => {
      late.addEventListener('abort', () => reject(new Error(`no ${kind} came`)));
    });
    for (;;) {
      for (let message = this.#unread.shift(); message; message = this.#unread.shift()) {
        if (isOfKind(message, kind)) return message;
      }
      await Promise.race([this.#wake.promise, isLate]);
      this.#wake = Promise.withResolvers();
    }
  }

  count(kind: SchedulerMessage['kind']): number {
    return this.all.filter((message) => message.kind === kind).length;
  }
}

function isOfKind<Kind extends SchedulerMessage['kind']>(
  message: SchedulerMessage,
  kind: Kind,
): message is MessageOf<Kind> {
  return message.kind === kind;
}
