// Writes a whole manifest to an output: for callers that have everything already.

import type { Manifest } from '../core/index.ts';
import type { Output, WrittenFile } from './output.ts';

/** Files at a time: enough to keep a disk busy with small files. */
const CONCURRENCY = 8;

/** Resolves with the files in the manifest's order. The first failure ends it; what is written stays. */
export async function writeOutput(
  output: Output,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<WrittenFile[]> {
  const written: WrittenFile[] = [];
  let next = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    for (let at = next++; at < manifest.files.length && !failed; at = next++) {
      signal.throwIfAborted();
      const file = manifest.files[at];
      if (file)
        written[at] = { path: file.path, target: output.target(file), outcome: await output.write(file) };
    }
  };
  const workers = Array.from({ length: CONCURRENCY }, () =>
    work().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const results = await Promise.allSettled(workers);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  await output.finish();
  return written;
}
