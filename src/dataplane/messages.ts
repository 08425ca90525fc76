// What the two sides of the data plane say to each other: the main side decides, a core carries out and tells. Everything
// here is plain data that can be sent to another thread. Messages keep their order; those of one turn of the event loop
// travel together.

import {
  type AnaxError,
  type ErrorRecord,
  type FileMark,
  type FileSpan,
  fromErrorRecord,
  type Identity,
  type PieceProof,
  type ProofFinding,
  type ProofTerms,
  toErrorRecord,
} from '../core/index.ts';
import type { BodySpan, BulkOptions, BulkResponse } from '../http-body/index.ts';
import {
  type ChannelOpening,
  type GoodbyeCode,
  type IncomingMessage,
  type LinkEnd,
  type LinkLimits,
  type LinkRemote,
  type OutgoingMessage,
  PeerReject,
  type RejectCode,
  type TlsFiles,
} from '../transport/index.ts';

/** What a core is made with. */
export interface CoreSetup {
  readonly identity: Identity;
  readonly limits: Partial<LinkLimits>;
  readonly receivePoolBytes: number;
  readonly sendPoolBytes: number;
  /** States of `ByteRate`. */
  readonly uploadRate: SharedArrayBuffer;
  readonly downloadRate: SharedArrayBuffer;
  /** Absent: links are plain TCP. */
  readonly tls?: TlsFiles;
}

/** A link of a core, by the number that the core gave it. */
export type LinkNumber = number;

/** The body of an origin's answer, by the number that its core gave it. */
export type BodyNumber = number;

/** An answer of an origin whose body is there to be taken. */
export interface BodyHead extends Omit<BulkResponse, 'body'> {
  readonly body: BodyNumber;
}

/** A GET for a large body. */
export interface GetRequest {
  readonly kind: 'get';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly options: BulkOptions;
}

/** What is asked of a body that was begun; see `PieceIntake`. */
export type BodyRequest =
  | { readonly kind: 'gather'; readonly body: BodyNumber; readonly at: number; readonly limit: number }
  | { readonly kind: 'refill'; readonly body: BodyNumber; readonly bytes: Uint8Array }
  | { readonly kind: 'digest' | 'bytes'; readonly body: BodyNumber }
  | { readonly kind: 'store'; readonly body: BodyNumber; readonly place: FileSpan };

/** What is answered once, by `done` or `failed`. */
export type Request =
  | GetRequest
  | BodyRequest
  | { readonly kind: 'listen'; readonly host: string; readonly port: number; readonly reusePort: boolean }
  | {
      readonly kind: 'dial';
      readonly host: string;
      readonly port: number;
      readonly expectedPeerId: LinkRemote['peerId'];
    }
  | {
      readonly kind: 'call';
      readonly link: LinkNumber;
      readonly method: string;
      readonly body: Uint8Array;
      readonly timeoutMs?: number;
      readonly maxAnswerBytes?: number;
    }
  | {
      readonly kind: 'fetch';
      readonly link: LinkNumber;
      readonly channel: number;
      readonly piece: number;
      readonly sizeBytes: number;
      readonly terms: ProofTerms | undefined;
    }
  | {
      readonly kind: 'serve';
      readonly link: LinkNumber;
      readonly channel: number;
      readonly piece: number;
      readonly sizeBytes: number;
      readonly proof: PieceProof;
      readonly span: FileSpan & { readonly mark?: FileMark };
    }
  | { readonly kind: 'stop' };

export type Command =
  | { readonly kind: 'request'; readonly id: number; readonly request: Request }
  /** Gives up a get, a dial, a call, or a fetch that has not arrived. It is answered all the same. */
  | { readonly kind: 'cancel'; readonly id: number }
  /** The answer to `arrived`: where the piece goes; `undefined` for nowhere. */
  | { readonly kind: 'put'; readonly id: number; readonly place: FileSpan | undefined }
  | { readonly kind: 'open'; readonly link: LinkNumber; readonly opening: ChannelOpening }
  | { readonly kind: 'send'; readonly link: LinkNumber; readonly message: OutgoingMessage }
  | { readonly kind: 'close'; readonly link: LinkNumber; readonly code: GoodbyeCode }
  /** What is taken of a body, and how long its longest piece is; without a span all of it. */
  | {
      readonly kind: 'begin';
      readonly body: BodyNumber;
      readonly span: BodySpan | undefined;
      readonly capacityBytes: number;
    }
  /** A body is not read any more. */
  | { readonly kind: 'end'; readonly body: BodyNumber }
  /** The answer to `called`. */
  | { readonly kind: 'answer'; readonly call: number; readonly body: Uint8Array }
  | { readonly kind: 'answerError'; readonly call: number; readonly failure: Failure };

/** What a core tells of a link. */
export type LinkEvent = Extract<CoreEvent, { readonly link: LinkNumber }>;

export type CoreEvent =
  /** Of `get` the head, of `listen` the port, of `dial` the link's number, of `call` the answer, of `fetch` what became of the piece. */
  | { readonly kind: 'done'; readonly id: number; readonly value: Answer }
  | { readonly kind: 'failed'; readonly id: number; readonly failure: Failure }
  /** The piece of a fetch begins to come; what its proof is by the terms, where there are any. */
  | {
      readonly kind: 'begun';
      readonly id: number;
      readonly proof: PieceProof;
      readonly finding: ProofFinding | undefined;
    }
  /** The remote takes nothing of what is served. */
  | { readonly kind: 'stalled'; readonly id: number }
  /** The piece of a fetch is there and has its proof's digest; `put` is to follow. */
  | { readonly kind: 'arrived'; readonly id: number }
  | {
      readonly kind: 'attached';
      readonly link: LinkNumber;
      readonly role: 'dialer' | 'acceptor';
      readonly remote: LinkRemote;
    }
  | { readonly kind: 'message'; readonly link: LinkNumber; readonly message: IncomingMessage }
  | {
      readonly kind: 'called';
      readonly link: LinkNumber;
      readonly call: number;
      readonly method: string;
      readonly body: Uint8Array;
    }
  /** The remote does not wait for its call's answer any more. */
  | { readonly kind: 'callGone'; readonly link: LinkNumber; readonly call: number }
  | {
      readonly kind: 'closed';
      readonly link: LinkNumber;
      readonly by: LinkEnd['by'];
      readonly code: LinkEnd['code'];
      readonly failure: Failure;
    }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

/** `put`: it is where `place` said. `dropped`: there was no place. `corrupt`: it has not its proof's digest. */
export type FetchAnswer = 'put' | 'dropped' | 'corrupt';
export type Answer = number | Uint8Array | FetchAnswer | BodyHead | undefined;

/** An error on its way between threads. */
export interface Failure extends ErrorRecord {
  /** Of a `PeerReject`. */
  readonly reject?: { readonly code: RejectCode; readonly retryAfterMs: number };
}

export function toFailure(error: unknown): Failure {
  const record = toErrorRecord(error);
  if (!(error instanceof PeerReject)) return record;
  return { ...record, reject: { code: error.reason, retryAfterMs: error.retryAfterMs ?? 0 } };
}

export function fromFailure(failure: Failure): AnaxError {
  const { reject } = failure;
  return reject ? new PeerReject(reject.code, reject.retryAfterMs) : fromErrorRecord(failure);
}
