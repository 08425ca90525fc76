// A blob store that keeps what it was given and says something else when asked for it.

import type { BlobSpec, OpenBlob, PieceProof } from '../../core/index.ts';
import type { EngineDeps } from '../../daemon/index.ts';

type EngineStore = EngineDeps['store'];

/** How a piece is misrepresented; what is left out is told truly. */
export interface Lie {
  /** Changes `target`, which holds the true bytes of the piece from `offset` on. */
  readonly bytes?: (
    blob: OpenBlob,
    index: number,
    offset: number,
    target: Uint8Array,
  ) => void | Promise<void>;
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
    span: (index) => blob.span(index),
    read: async (index, offset, target) => {
      await blob.read(index, offset, target);
      if (!tongue.isLying) return;
      if (offset === 0) tongue.served += 1;
      await lie.bytes?.(blob, index, offset, target);
    },
    wholeDigests: (signal) => blob.wholeDigests(signal),
    commit: (aliases) => blob.commit(aliases),
    drop: (indexes) => blob.drop(indexes),
    discard: () => blob.discard(),
    close: () => blob.close(),
  };
}
