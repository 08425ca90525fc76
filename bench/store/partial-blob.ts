// A 16 GiB blob of which every piece is held, as a stopped download leaves it: a sparse file, so that no 16 GiB have to
// be written (all of its pieces are the same zeros, which their proofs say, too), and its journal.

import { mkdir, truncate, writeFile } from 'node:fs/promises';
import {
  type BlobSpec,
  createIdentity,
  digestOf,
  GiB,
  MAX_PIECE_LENGTH_BYTES,
  MiB,
  pieceCount,
  signPiece,
} from '../../src/core/index.ts';
import {
  encodeHeader,
  encodeRecords,
  headerSeed,
  type JournalRecord,
} from '../../src/store/journal-format.ts';
import { Layout } from '../../src/store/layout.ts';
import { type StoreFolder, secondsOf } from './store-folder.ts';

const SPEC: BlobSpec = {
  digest: digestOf('sha256', Buffer.from('a large blob that nobody has to write')),
  sizeBytes: 16 * GiB,
  pieceLengthBytes: MAX_PIECE_LENGTH_BYTES,
};

/** Pieces that a power loss finds unflushed: 64 MiB of them, which are hashed again. */
const UNFLUSHED = (64 * MiB) / SPEC.pieceLengthBytes;

export interface Replay {
  readonly pieces: number;
  /** Start of the store, with the journal read once for the catalog. */
  readonly startSeconds: number;
  /** Opening the blob: the journal read again, and what no flush covers checked by hash. */
  readonly openSeconds: number;
}

/** `after`: whether all was flushed, or the last 64 MiB were not. */
export async function replayJournal(folder: StoreFolder, after: 'stop' | 'power loss'): Promise<Replay> {
  const layout = new Layout(folder.folder);
  await mkdir(layout.partialFolder, { recursive: true });
  await writeFile(layout.partial(SPEC.digest), '');
  await truncate(layout.partial(SPEC.digest), SPEC.sizeBytes);
  await writeFile(layout.journal(SPEC.digest), journalBytes(folder, after));
  return await timeReplay(folder);
}

async function timeReplay(folder: StoreFolder): Promise<Replay> {
  const begunMs = performance.now();
  return await folder.with(async (store) => {
    const startSeconds = (performance.now() - begunMs) / 1000;
    let pieces = 0;
    const openSeconds = await secondsOf(async () => {
      const blob = await store.open(SPEC);
      pieces = blob.held.count;
      await blob.close();
    });
    await store.remove(SPEC.digest);
    return { pieces, startSeconds, openSeconds };
  });
}

function journalBytes({ pieceHash }: StoreFolder, after: 'stop' | 'power loss'): Buffer {
  const signer = createIdentity();
  const digest = pieceHash(Buffer.alloc(SPEC.pieceLengthBytes));
  const count = pieceCount(SPEC);
  const records: JournalRecord[] = Array.from({ length: count }, (_, index) => ({
    kind: 'piece',
    index,
    proof: signPiece(signer, SPEC, index, digest),
  }));
  records.push({ kind: 'sync', covered: after === 'stop' ? count : count - UNFLUSHED });
  const header = encodeHeader(SPEC);
  return Buffer.concat([header, encodeRecords(records, 0, headerSeed(header))]);
}
