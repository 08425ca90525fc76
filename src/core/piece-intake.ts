// The port to whatever gathers the bytes of an origin into pieces: in this thread, or in another, so that the payload does
// not come into this one.

import type { FileSpan } from './blob-store.ts';

/** One call at a time. Its buffer has the capacity that it was made with. */
export interface PieceIntake {
  /**
   * Adds what is there of the stream to the piece, at least a byte and at most `limit`; returns how many, 0 at the
   * stream's end. `at` is how many the piece has: with 0 the next one begins. Throws what the stream throws.
   */
  gather(at: number, limit: number): Promise<number>;

  /** Begins a piece with bytes that came by another stream. */
  refill(bytes: Uint8Array): Promise<void>;

  /** BLAKE3 of the piece. */
  digest(): Promise<Uint8Array>;

  /** The bytes of the piece, good until the next begins. */
  bytes(): Promise<Uint8Array>;

  /** Writes the piece to a place in a file. Throws `disk_full`, `disk_io`. */
  put(place: FileSpan): Promise<void>;

  /** Ends the stream. Idempotent. */
  close(): Promise<void>;
}
