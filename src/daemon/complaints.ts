// "The piece that you sent has not its digest": what a receiver says to the sender, whose disk may have rotted, and what
// the sender does about it. The call's body is the snapshot's id (32 bytes) and the piece's number (u32); the answer one
// byte: 1 where the sender found its piece wrong and dropped it, 0 where it reads right.
//
// A complaint costs the sender a read and a hash of a piece, so that one is looked at at a time, few wait, and what
// was found good is not looked at again for a while.

import { AnaxError, parseSnapshotId, type SnapshotId } from '../core/index.ts';
import type { DataLink } from '../dataplane/index.ts';

export const COMPLAINT_METHOD = 'piece-wrong';

/** How long the sender of a wrong piece has to own up to it. */
const ANSWER_WITHIN_MS = 10_000;
const MAX_WAITING = 16;
const GOOD_FOR_MS = 600_000;
const MAX_REMEMBERED = 10_000;

const BODY_BYTES = 36;

/** Tells the sender. Whether it says that it was wrong and has dropped the piece; `false` where it does not answer. */
export async function complain(
  link: DataLink,
  snapshot: SnapshotId,
  piece: number,
  signal: AbortSignal,
): Promise<boolean> {
  const body = Buffer.alloc(BODY_BYTES);
  body.write(snapshot, 'hex');
  body.writeUInt32BE(piece, BODY_BYTES - 4);
  const options = { signal, timeoutMs: ANSWER_WITHIN_MS, maxAnswerBytes: 1 };
  try {
    return (await link.call(COMPLAINT_METHOD, body, options))[0] === 1;
  } catch {
    return false;
  }
}

export interface ComplaintDeps {
  /** Looks at the piece; whether it was wrong, and is dropped. */
  readonly suspect: (snapshot: SnapshotId, piece: number) => Promise<boolean>;
  readonly nowMs: () => number;
}

export class Complaints {
  readonly #deps: ComplaintDeps;
  /** Pieces that were looked at and found good, and until when that stands. */
  readonly #good = new Map<string, number>();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(deps: ComplaintDeps) {
    this.#deps = deps;
  }

  /** Answers the call. Throws `peer_protocol` for a body of another form, `peer_refused` where too many wait. */
  async answer(body: Uint8Array): Promise<Uint8Array> {
    const bytes = Buffer.from(body);
    if (bytes.length !== BODY_BYTES) throw new AnaxError('peer_protocol', 'a complaint has 36 bytes');
    if (this.#waiting >= MAX_WAITING) throw new AnaxError('peer_refused', 'too many complaints wait');
    const snapshot = parseSnapshotId(bytes.toString('hex', 0, BODY_BYTES - 4));
    const piece = bytes.readUInt32BE(BODY_BYTES - 4);
    this.#waiting += 1;
    const turn = this.#last.then(() => this.#look(snapshot, piece));
    this.#last = turn.catch(() => undefined);
    try {
      return Buffer.of((await turn) ? 1 : 0);
    } finally {
      this.#waiting -= 1;
    }
  }

  async #look(snapshot: SnapshotId, piece: number): Promise<boolean> {
    const key = `${snapshot}/${piece}`;
    const nowMs = this.#deps.nowMs();
    if (nowMs < (this.#good.get(key) ?? 0)) return false;
    const wasWrong = await this.#deps.suspect(snapshot, piece);
    this.#good.delete(key);
    if (wasWrong) return true;
    this.#good.set(key, nowMs + GOOD_FOR_MS);
    const [oldest] = this.#good.keys();
    if (oldest !== undefined && this.#good.size > MAX_REMEMBERED) this.#good.delete(oldest);
    return false;
  }
}
