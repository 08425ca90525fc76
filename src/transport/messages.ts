// What the two ends of a link say to each other. `codec.ts` gives the bytes, docs/PROTOCOL.md the meaning.
// `chunk` is missing on purpose: piece payload never becomes a message, it goes from the socket to the piece's buffer.

import type { PeerId, PieceProof, ReaderGrant, SnapshotId, Verdict } from '../core/index.ts';
import { AnaxError } from '../core/index.ts';

export const PROTOCOL_VERSION = 1;

/** Why a link ends, in wire order. */
export const goodbyeCodes = [
  'done',
  'shutdown',
  'protocol',
  'version',
  'identity',
  'limit',
  'timeout',
  'slow',
  'duplicate',
  'internal',
  'tls',
] as const;
export type GoodbyeCode = (typeof goodbyeCodes)[number];

/** Why a channel is not opened, in wire order; an unknown number reads as `error`. */
export const refusalCodes = [
  'error',
  'unknown-snapshot',
  'unauthorized',
  'busy',
  'limit',
  'mismatch',
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

/** Why a piece is not sent, in wire order; an unknown number reads as `error`. */
export const rejectCodes = ['error', 'busy', 'not-held', 'cancelled', 'unauthorized', 'closed'] as const;
export type RejectCode = (typeof rejectCodes)[number];

export interface HelloMessage {
  readonly kind: 'hello';
  readonly version: number;
  readonly peerId: PeerId;
  readonly publicKey: Uint8Array;
  /** Where the sender accepts links; 0 for nowhere. */
  readonly listenPort: number;
  /** Bits of optional abilities; both ends use the common ones. None is defined yet. */
  readonly features: number;
  /** On TLS links: the sender's signature (`signLink`) that proves its key. */
  readonly keyProof?: Uint8Array;
}

export interface GoodbyeMessage {
  readonly kind: 'goodbye';
  readonly code: GoodbyeCode;
  readonly text: string;
}

export interface PingMessage {
  readonly kind: 'ping' | 'pong';
  readonly token: number;
}

export interface OpenMessage {
  readonly kind: 'open';
  readonly channel: number;
  readonly snapshot: SnapshotId;
  readonly pieceCount: number;
  readonly ticket: Uint8Array;
}

/** `opened` accepts an `open` and says what the accepting side holds; `bitfield` says so at any time. */
export interface BitfieldMessage {
  readonly kind: 'opened' | 'bitfield';
  readonly channel: number;
  readonly bitfield: Uint8Array;
}

export interface RefusedMessage {
  readonly kind: 'refused';
  readonly channel: number;
  readonly code: RefusalCode;
}

export interface CloseMessage {
  readonly kind: 'close';
  readonly channel: number;
}

export interface HaveMessage {
  readonly kind: 'have';
  readonly channel: number;
  readonly pieces: readonly number[];
}

export interface GrantsMessage {
  readonly kind: 'grants';
  readonly channel: number;
  readonly grants: readonly ReaderGrant[];
}

export interface VerdictsMessage {
  readonly kind: 'verdicts';
  readonly channel: number;
  readonly verdicts: readonly Verdict[];
}

export interface RequestMessage {
  readonly kind: 'request' | 'cancel';
  readonly channel: number;
  readonly piece: number;
}

export interface RejectMessage {
  readonly kind: 'reject';
  readonly channel: number;
  readonly piece: number;
  readonly code: RejectCode;
  /** When to ask again at the earliest; 0 where that would not help or is not known. */
  readonly retryAfterMs: number;
}

export interface PieceMessage {
  readonly kind: 'piece';
  readonly channel: number;
  readonly piece: number;
  readonly sizeBytes: number;
  readonly proof: PieceProof;
}

export interface CallMessage {
  readonly kind: 'call';
  readonly id: number;
  /** How long the caller waits. */
  readonly timeoutMs: number;
  readonly method: string;
  readonly body: Uint8Array;
}

export interface AnswerMessage {
  readonly kind: 'answer';
  readonly id: number;
  /** Whether `body` is (a part of) the result; else it is an error record as JSON. */
  readonly ok: boolean;
  readonly last: boolean;
  readonly body: Uint8Array;
}

/** The caller does not want the answer any more. */
export interface AbandonMessage {
  readonly kind: 'abandon';
  readonly id: number;
}

/** Messages that belong to a channel and take part in its life. */
export type ChannelMessage =
  | OpenMessage
  | BitfieldMessage
  | RefusedMessage
  | CloseMessage
  | HaveMessage
  | GrantsMessage
  | VerdictsMessage;

type PieceControlMessage = RequestMessage | RejectMessage | PieceMessage;
type CallControlMessage = CallMessage | AnswerMessage | AbandonMessage;

export type WireMessage =
  | HelloMessage
  | GoodbyeMessage
  | PingMessage
  | ChannelMessage
  | PieceControlMessage
  | CallControlMessage;

/** What a link hands to its owner. */
export type IncomingMessage = ChannelMessage | RequestMessage;

/** What the owner of a link may send as it is; the rest has methods of its own. */
export type OutgoingMessage = Exclude<ChannelMessage, OpenMessage> | RejectMessage;

/** A remote broke the protocol. */
export function violation(message: string): AnaxError {
  return new AnaxError('peer_protocol', message);
}

/** A remote said no to a request of a piece. */
export class PeerReject extends AnaxError {
  readonly reason: RejectCode;

  constructor(reason: RejectCode, retryAfterMs = 0) {
    super('peer_refused', reason, { details: { reason }, ...(retryAfterMs > 0 && { retryAfterMs }) });
    this.reason = reason;
  }
}
