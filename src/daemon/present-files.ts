// What of a snapshot is in its place already, looked at before anything is fetched: it need not come again, and what
// stands in the way is told at once.

import { type AnaxError, type ManifestFile, toAnaxError } from '../core/index.ts';
import type { Destination } from './outputs.ts';

export interface PresentFiles {
  /** In place with the right content. */
  readonly present: ReadonlySet<ManifestFile>;
  /** Can't be put into place, and why. */
  readonly refused: ReadonlyMap<ManifestFile, AnaxError>;
}

/** Looks at several at a time. */
const CONCURRENCY = 8;

/** Throws the signal's reason. Reads what is there. */
export async function findPresent(
  destination: Destination,
  files: readonly ManifestFile[],
  signal: AbortSignal,
): Promise<PresentFiles> {
  const present = new Set<ManifestFile>();
  const refused = new Map<ManifestFile, AnaxError>();
  const left = [...files];
  const look = async (): Promise<void> => {
    for (let file = left.shift(); file; file = left.shift()) {
      signal.throwIfAborted();
      try {
        if (await destination.has(file)) present.add(file);
      } catch (error) {
        refused.set(file, toAnaxError(error));
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, look));
  return { present, refused };
}
