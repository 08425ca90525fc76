// Many small blobs: committed as a download commits them, found at start-up, evicted to make room.

import {
  type BlobSpec,
  createIdentity,
  digestOf,
  type Identity,
  MIN_PIECE_LENGTH_BYTES,
  type PieceHash,
  signPiece,
} from '../../src/core/index.ts';
import type { DiskBlobStore } from '../../src/store/index.ts';
import { inTurns } from '../../src/testing/cluster/index.ts';
import { type StoreFolder, secondsOf } from './store-folder.ts';

const BLOB_BYTES = 16 * 1024;
/** Files of a snapshot that are committed at once. */
const AT_ONCE = 16;

/** Seconds for all. */
export async function commitBlobs(folder: StoreFolder, count: number): Promise<number> {
  const signer = createIdentity();
  const numbers = Array.from({ length: count }, (_, number) => number);
  return await folder.with((store) =>
    secondsOf(() =>
      inTurns(numbers, AT_ONCE, (number) => commitOne(store, folder.pieceHash, signer, number)),
    ),
  );
}

async function commitOne(
  store: DiskBlobStore,
  pieceHash: PieceHash,
  signer: Identity,
  number: number,
): Promise<void> {
  const bytes = blobBytes(number);
  const spec = specOf(bytes);
  const blob = await store.open(spec);
  await blob.write(0, bytes, signPiece(signer, spec, 0, pieceHash(bytes)));
  await blob.commit([]);
  await blob.close();
}

function blobBytes(number: number): Buffer {
  const bytes = Buffer.alloc(BLOB_BYTES, 1);
  bytes.writeUInt32BE(number);
  return bytes;
}

function specOf(bytes: Buffer): BlobSpec {
  const digest = digestOf('sha256', bytes);
  return { digest, sizeBytes: bytes.length, pieceLengthBytes: MIN_PIECE_LENGTH_BYTES };
}

export interface Evicted {
  readonly blobs: number;
  readonly seconds: number;
}

/**
 * Opens one blob more than fits. The low-water mark is set so that `evictions` blobs go for it; what is timed is that
 * one `open`.
 */
export async function evictBlobs(folder: StoreFolder, count: number, evictions: number): Promise<Evicted> {
  const capacity = {
    capacityBytes: count * BLOB_BYTES,
    highWater: 1,
    lowWater: (count + 1 - evictions) / count,
  };
  return await folder.with(async (store) => {
    const spec = specOf(blobBytes(count));
    const seconds = await secondsOf(async () => {
      const blob = await store.open(spec);
      await blob.close();
    });
    return { blobs: store.stats().evictedBlobs, seconds };
  }, capacity);
}
