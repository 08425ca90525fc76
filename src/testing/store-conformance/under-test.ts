// What the suite is run on, and how its tests are written down.

import type { BlobStore } from '../../core/index.ts';

export interface StoreUnderTest {
  readonly store: BlobStore;
  /** An empty folder for outputs. */
  readonly outputs: string;
  /** Ends it, and removes what it left. */
  close(): Promise<void>;
}

/** A test with a store of its own. */
export type On = (what: string, run: (under: StoreUnderTest) => Promise<void>) => void;
