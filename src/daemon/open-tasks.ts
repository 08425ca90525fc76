// Opens the blobs of a snapshot for its swarm, and says what of them is here.

import { Bitfield, type BlobStore, type MappedBlob, type OpenBlob } from '../core/index.ts';
import { BlobTask } from './blob-task.ts';
import { fillFromStore, packName } from './packs.ts';
import type { SwarmContext } from './swarm-context.ts';

/** Makes the task of each blob; the pieces of the snapshot that are held. */
export async function openTasks(context: SwarmContext): Promise<Bitfield> {
  const { deps, tasks, map, snapshot, counters } = context;
  const held = new Bitfield(map.pieceCount);
  const paths = new Map(snapshot.manifest.files.map((file) => [file.digest, file.path]));
  for (const blob of map.blobs) {
    const first = blob.parts?.[0]?.digest ?? blob.digest;
    const name = packName(paths.get(first) ?? first, blob);
    const task = new BlobTask(blob, await openBlob(deps.store, blob), name);
    await fillFromStore(context, task);
    tasks.set(blob.digest, task);
    for (const index of task.open.held.values()) held.add(blob.pieces.start + index);
    counters.fromCache += task.heldBytes;
  }
  return held;
}

async function openBlob(store: BlobStore, blob: MappedBlob): Promise<OpenBlob> {
  const found = await store.find(blob.digest);
  const isWhole = !blob.parts && !found?.pack && found?.pieceLengthBytes === blob.pieceLengthBytes;
  const digest = isWhole ? found.digest : blob.digest;
  const open = await store.open({
    digest,
    sizeBytes: blob.sizeBytes,
    pieceLengthBytes: blob.pieceLengthBytes,
  });
  // A pack some of whose files were wrong when it came is fetched again.
  if (found && found.parts.length < (blob.parts?.length ?? 0)) await open.drop([0]);
  return open;
}
