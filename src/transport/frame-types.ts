// Frame types, and how long the payload of each may be. The parser refuses a frame by its five-byte head alone, so
// that no remote makes us wait for, or make room for, what could not be valid anyway.

import {
  PEER_ID_BYTES,
  PIECE_DIGEST_BYTES,
  PUBLIC_KEY_BYTES,
  SIGNATURE_BYTES,
  SNAPSHOT_ID_BYTES,
} from '../core/index.ts';
import {
  MAX_ANSWER_PART_BYTES,
  MAX_BITFIELD_BYTES,
  MAX_CALL_BODY_BYTES,
  MAX_CHUNK_BYTES,
  MAX_GOODBYE_TEXT_BYTES,
  MAX_GRANTS,
  MAX_HAVE_PIECES,
  MAX_METHOD_CHARACTERS,
  MAX_TICKET_BYTES,
  MAX_VERDICTS,
} from './limits.ts';
import type { WireMessage } from './messages.ts';

/** u32 length of what follows, u8 type. */
export const FRAME_HEAD_BYTES = 5;
/** u32 channel, u32 piece. */
export const CHUNK_FIELDS_BYTES = 8;
export const CHUNK_HEAD_BYTES = FRAME_HEAD_BYTES + CHUNK_FIELDS_BYTES;

const PROOF_BYTES = PIECE_DIGEST_BYTES + PEER_ID_BYTES + SIGNATURE_BYTES;
/** Snapshot, epoch, reader's key, signature. */
const GRANT_BYTES = SNAPSHOT_ID_BYTES + 6 + PUBLIC_KEY_BYTES + SIGNATURE_BYTES;
/** With the longest digest: algorithm, digest, good, root, sha256, signer, signature. */
const MAX_VERDICT_BYTES = 1 + 32 + 1 + 32 + 32 + PEER_ID_BYTES + SIGNATURE_BYTES;

const HELLO_BYTES = 4 + 2 + PEER_ID_BYTES + PUBLIC_KEY_BYTES + 2 + 4;
/** Room for fields of later versions, which are skipped. */
const MAX_HELLO_BYTES = 1024;

export const CHUNK_TYPE = 36;

interface FrameType {
  readonly type: number;
  readonly minBytes: number;
  readonly maxBytes: number;
}

function frameType(type: number, minBytes: number, maxBytes = minBytes): FrameType {
  return { type, minBytes, maxBytes };
}

export const frameTypes: Readonly<Record<WireMessage['kind'] | 'chunk', FrameType>> = {
  hello: frameType(1, HELLO_BYTES, MAX_HELLO_BYTES),
  goodbye: frameType(2, 1, 1 + MAX_GOODBYE_TEXT_BYTES),
  ping: frameType(3, 4),
  pong: frameType(4, 4),

  open: frameType(16, 40, 40 + MAX_TICKET_BYTES),
  opened: frameType(17, 4, 4 + MAX_BITFIELD_BYTES),
  refused: frameType(18, 5),
  close: frameType(19, 4),
  bitfield: frameType(20, 4, 4 + MAX_BITFIELD_BYTES),
  have: frameType(21, 4, 4 + 4 * MAX_HAVE_PIECES),
  grants: frameType(22, 4, 4 + MAX_GRANTS * GRANT_BYTES),
  verdicts: frameType(23, 4, 4 + MAX_VERDICTS * MAX_VERDICT_BYTES),

  request: frameType(32, 8),
  cancel: frameType(33, 8),
  reject: frameType(34, 13),
  piece: frameType(35, 12 + PROOF_BYTES),
  chunk: frameType(CHUNK_TYPE, CHUNK_FIELDS_BYTES + 1, CHUNK_FIELDS_BYTES + MAX_CHUNK_BYTES),

  call: frameType(48, 10, 9 + MAX_METHOD_CHARACTERS + MAX_CALL_BODY_BYTES),
  answer: frameType(49, 5, 5 + MAX_ANSWER_PART_BYTES),
  abandon: frameType(50, 4),
};

const byNumber: readonly (FrameType | undefined)[] = Array.from({ length: 256 }, (_, number) =>
  Object.values(frameTypes).find(({ type }) => type === number),
);
const kindByNumber: readonly (string | undefined)[] = Array.from(
  { length: 256 },
  (_, number) => Object.entries(frameTypes).find(([, { type }]) => type === number)?.[0],
);

/** The limits of a type; `undefined` for one that does not exist. */
export function frameTypeOf(type: number): FrameType | undefined {
  return byNumber[type];
}

export function frameKindOf(type: number): WireMessage['kind'] | 'chunk' | undefined {
  return kindByNumber[type] as WireMessage['kind'] | 'chunk' | undefined;
}
