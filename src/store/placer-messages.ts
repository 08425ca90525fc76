// What the store and its thread that puts small files out say to each other.

/** A file to be put out: made whole as `temporary`, then named `target`. */
export interface Placement {
  /** Over shared memory: not copied on the way. */
  readonly bytes: Uint8Array;
  readonly temporary: string;
  readonly target: string;
  /** Whether it may replace a file. */
  readonly replace: boolean;
}

/** For each file of a batch, in order, whether it is in place; if not, nothing is left of the attempt. */
export type PlacedReply = readonly boolean[];
