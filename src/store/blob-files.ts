// Removing a blob's files, in the order that leaves nothing behind which could be taken for more than it is.

import type { Digest } from '../core/index.ts';
import type { Layout } from './layout.ts';
import { removeFile, type StoreFs } from './store-fs.ts';

/** The blob before its sidecar (a sidecar alone is nothing), the journal before its data (data alone is nothing). */
export async function removeBlobFiles(
  { fs, layout }: { fs: StoreFs; layout: Layout },
  digest: Digest,
): Promise<void> {
  await removeFile(fs, layout.blob(digest));
  await removeFile(fs, layout.sidecar(digest));
  await removePartialFiles({ fs, layout }, digest);
}

export async function removePartialFiles(
  { fs, layout }: { fs: StoreFs; layout: Layout },
  digest: Digest,
): Promise<void> {
  await removeFile(fs, layout.journal(digest));
  await removeFile(fs, layout.partial(digest));
}
