// Every bound of the peer protocol, by name. Two kinds: constants of the wire, which both ends must agree on, and
// `LinkLimits`, which each end chooses for itself.

import { KiB, MAX_PIECES, MiB } from '../core/index.ts';

/** Payload of a `chunk`: small enough that a control frame waits at most 42 ms for one at 100 Mbit/s. */
export const MAX_CHUNK_BYTES = 512 * KiB;
/** Payload of one `answer` frame. */
export const MAX_ANSWER_PART_BYTES = 256 * KiB;
export const MAX_TICKET_BYTES = 1 * KiB;
/** One bit a piece. */
export const MAX_BITFIELD_BYTES = MAX_PIECES / 8;
/** Piece numbers in one `have`; longer lists are split over frames. */
export const MAX_HAVE_PIECES = 4096;
/** Grants in one frame; longer lists are split. */
export const MAX_GRANTS = 256;
/** Verdicts in one frame; longer lists are split. */
export const MAX_VERDICTS = 256;
export const MAX_METHOD_CHARACTERS = 64;
export const MAX_CALL_BODY_BYTES = 1 * MiB;
export const MAX_GOODBYE_TEXT_BYTES = 256;
/** An answer that says why there is none: an error record as JSON. */
export const MAX_ERROR_ANSWER_BYTES = 64 * KiB;

export interface LinkLimits {
  /** Links of this process, both directions, those still saying hello included. Default 1,024. */
  readonly maxLinks: number;
  /** Links with one remote address. Default 16. */
  readonly maxLinksPerHost: number;
  /** Open channels on one link, of both sides together. Default 1,024. */
  readonly maxChannels: number;
  /** Requests that one side may have unanswered on one link; also what the other side is allowed. Default 64. */
  readonly maxRequests: number;
  /** Calls under way on one link, each direction for itself. Default 64. */
  readonly maxCalls: number;
  /** Bodies of the calls that the remote has under way on one link, together. Default 4 MiB. */
  readonly maxCallBytes: number;
  /** Control frames waiting because the remote reads too slowly; beyond it the link is dropped. Default 4 MiB. */
  readonly maxControlBytes: number;
  /** From the start of `dialPeer` to an open connection. Default 5 s. */
  readonly connectTimeoutMs: number;
  /** From an open connection to the remote's `hello`. Default 5 s. */
  readonly helloTimeoutMs: number;
  /** Silence of either side after which a ping is sent. Default 5 s. */
  readonly pingAfterMs: number;
  /** Silence of the remote after which the link is dead. Default 15 s. */
  readonly deadAfterMs: number;
  /** A write of which the remote has taken nothing for this time is stalled: `PieceToSend.onStalled`. Default 1 s. */
  readonly stalledAfterMs: number;
  /** A write of which the remote has taken nothing for this time ends the link. Default 15 s. */
  readonly writeStallMs: number;
  /** A write (512 KiB, and 64 KiB to a slow remote) that it has not taken whole in this time does. Default 60 s. */
  readonly writeTimeoutMs: number;
  /** A piece that was begun and gets no chunk in this time ends the link: it holds a buffer. Default 15 s. */
  readonly pieceStallMs: number;
  /** Takes the place of `writeStallMs` and `pieceStallMs` while others wait for the buffers that such a link holds. Default 5 s. */
  readonly scarceStallMs: number;
  /** How long a closing link may take to get its goodbye out. Default 1 s. */
  readonly lingerMs: number;
}

export const defaultLinkLimits: LinkLimits = {
  maxLinks: 1024,
  maxLinksPerHost: 16,
  maxChannels: 1024,
  maxRequests: 64,
  maxCalls: 64,
  maxCallBytes: 4 * MiB,
  maxControlBytes: 4 * MiB,
  connectTimeoutMs: 5_000,
  helloTimeoutMs: 5_000,
  pingAfterMs: 5_000,
  deadAfterMs: 15_000,
  stalledAfterMs: 1_000,
  writeStallMs: 15_000,
  writeTimeoutMs: 60_000,
  pieceStallMs: 15_000,
  scarceStallMs: 5_000,
  lingerMs: 1_000,
};
