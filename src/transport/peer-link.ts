// What a link is to its owner. `link.ts` makes it so.

import type { AnaxError, PeerId, SnapshotId } from '../core/index.ts';
import type { CallOptions } from './call-client.ts';
import type { CallHandler } from './call-server.ts';
import type { GoodbyeCode, IncomingMessage, OutgoingMessage } from './messages.ts';
import type { PieceRequest, ReceivedPiece } from './piece-receiver.ts';
import type { PieceToSend } from './piece-step.ts';

export interface LinkRemote {
  readonly peerId: PeerId;
  /** Ed25519, raw. */
  readonly publicKey: Uint8Array;
  /** Whether the remote proved that it has the key: on TLS links. Elsewhere it only says so. */
  readonly isProven: boolean;
  /** Address as the socket has it. */
  readonly host: string;
  /** Where the remote accepts links; 0 for nowhere. */
  readonly listenPort: number;
}

/** How a link ended. */
export interface LinkEnd {
  readonly by: 'local' | 'remote' | 'network';
  /** What the goodbye said; `lost` where there was none. */
  readonly code: GoodbyeCode | 'lost';
  /** What everything that was under way was rejected with. */
  readonly error: AnaxError;
}

export interface LinkStats {
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Of the last answered ping; undefined before. A ping waits for the chunk before it. */
  readonly rttMs: number | undefined;
  /** Our requests without an answer. */
  readonly requestsOut: number;
  /** The remote's requests without an answer. */
  readonly requestsIn: number;
}

/** What the owner of a link does with what arrives. Called in order; must not block or throw. */
export interface LinkHandlers {
  /** Its form and its channel are checked: numbers are in range, bitfields have the right length. */
  onMessage(message: IncomingMessage): void;
  readonly onCall: CallHandler;
}

/** Called once for each link, when both sides have said hello, before anything else arrives. */
export type AttachLink = (link: PeerLink) => LinkHandlers;

export interface ChannelOpening {
  /** The number; default the next one. Of an owner who counts them himself: even for the dialer, odd, rising. */
  readonly channel?: number;
  readonly snapshot: SnapshotId;
  readonly pieceCount: number;
  /** At most 1 KiB. */
  readonly ticket: Uint8Array;
}

export interface PeerLink {
  readonly remote: LinkRemote;
  /** Which side connected. */
  readonly role: 'dialer' | 'acceptor';
  readonly stats: LinkStats;
  /** How the link ended, when the socket is closed. Never rejects. */
  readonly closed: Promise<LinkEnd>;

  /** Asks for a channel, and returns its number; `opened` or `refused` follows. Throws `limit_exceeded`. */
  open(opening: ChannelOpening): number;

  /**
   * Sends a message of a channel, before any payload that waits. Messages for a channel that is not open (yet, or
   * any more) and rejects of what is answered already are dropped. Long lists are split over frames.
   */
  send(message: OutgoingMessage): void;

  /**
   * Asks for a piece of an open channel; one that was cancelled a moment ago as soon as the remote has answered that.
   * Rejects with a `PeerReject` (the remote said no, or the channel is closed), with `limit_exceeded` beyond 64
   * unanswered requests, with the signal's reason, or with the link's end. The bytes are not verified. `release` them.
   */
  requestPiece(request: PieceRequest): Promise<ReceivedPiece>;

  /**
   * Answers a `request` by the piece; answers of one link go out one at a time, in order. Resolves when the kernel
   * has the last byte. Rejects with a `PeerReject` where the remote cancelled or the channel closed, with what `read`
   * threw (the remote gets `error`), or with the link's end.
   */
  sendPiece(piece: PieceToSend): Promise<void>;

  /** Asks the remote's `onCall`. Rejects with the error that it threw, or as `CallOptions` says. */
  call(method: string, body: Uint8Array, options?: CallOptions): Promise<Uint8Array>;

  /** Says goodbye (default `done`) and closes. Resolves when the socket is closed. Idempotent. */
  close(code?: GoodbyeCode): Promise<LinkEnd>;
}
