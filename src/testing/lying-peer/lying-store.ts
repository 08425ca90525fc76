// A blob store that keeps what it was given and says something else when asked for it.

import { readSync, writeSync } from 'node:fs';
import {
  type BlobSpec,
  type OpenBlob,
  type PieceProof,
  type PieceSpan,
  pieceSize,
} from '../../core/index.ts';
import type { EngineDeps } from '../../daemon/index.ts';
import { borrowFile } from '../memory-store/index.ts';

type EngineStore = EngineDeps['store'];

/** How a piece is misrepresented; what is left out is told truly. */
export interface Lie {
  /** Changes `target`, which holds the true bytes of the piece. */
  readonly bytes?: (blob: OpenBlob, index: number, target: Uint8Array) => void;
  readonly proof?: (blob: OpenBlob, index: number) => PieceProof | undefined;
}

/** Switches the lying on, and counts it. */
export interface Tongue {
  readonly lie: Lie;
  isLying: boolean;
  /** Pieces that it began to serve while lying. */
  served: number;
}

export function lyingStore(store: EngineStore, tongue: Tongue): EngineStore {
  return {
    temporaryNames: store.temporaryNames,
    open: async (spec: BlobSpec) => lyingBlob(await store.open(spec), tongue),
    find: (digest) => store.find(digest),
    readSmall: (digest) => store.readSmall(digest),
    list: () => store.list(),
    remove: (digest) => store.remove(digest),
    materialize: (digest, target, options) => store.materialize(digest, target, options),
    putSnapshot: (snapshot, refKey) => store.putSnapshot(snapshot, refKey),
    snapshot: (id) => store.snapshot(id),
    snapshots: () => store.snapshots(),
    snapshotByRef: (refKey) => store.snapshotByRef(refKey),
    pin: (pin) => store.pin(pin),
    unpin: (name) => store.unpin(name),
    pins: () => store.pins(),
    stop: () => store.stop(),
  };
}

function lyingBlob(blob: OpenBlob, tongue: Tongue): OpenBlob {
  const { lie } = tongue;
  return {
    spec: blob.spec,
    get state() {
      return blob.state;
    },
    held: blob.held,
    proof: (index) => (tongue.isLying && lie.proof ? lie.proof(blob, index) : blob.proof(index)),
    setProof: (index, proof) => blob.setProof(index, proof),
    write: (index, bytes, proof) => blob.write(index, bytes, proof),
    fill: (index, proof, put) => blob.fill(index, proof, put),
    span: (index) => (tongue.isLying ? lyingSpan(blob, index, tongue) : blob.span(index)),
    read: (index, offset, target) => blob.read(index, offset, target),
    wholeDigests: (signal) => blob.wholeDigests(signal),
    commit: (aliases) => blob.commit(aliases),
    drop: (indexes) => blob.drop(indexes),
    discard: () => blob.discard(),
    close: () => blob.close(),
  };
}

function lyingSpan(blob: OpenBlob, index: number, tongue: Tongue): PieceSpan {
  tongue.served += 1;
  const bytes = new Uint8Array(pieceSize(blob.spec, index));
  readPiece(blob, index, bytes);
  tongue.lie.bytes?.(blob, index, bytes);
  const { fd, release } = borrowFile();
  writeSync(fd, bytes, 0, bytes.length, 0);
  return { fd, offsetBytes: 0, release };
}

/** Fills `target` from the begin of a held piece. */
export function readPiece(blob: OpenBlob, index: number, target: Uint8Array): void {
  const { fd, offsetBytes, release } = blob.span(index);
  readSync(fd, target, 0, target.length, offsetBytes);
  release();
}
