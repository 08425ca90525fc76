// BLAKE3 of a piece. The native module (SIMD, 4–9 GiB/s a core) where it loads; where it doesn't (another libc, another
// processor) WebAssembly at about 0.8 GiB/s. Both give the same 32 bytes; a test holds them to it.

import { createBLAKE3, type IHasher } from 'hash-wasm';
import { AnaxError, type PieceHash, type PieceHasher } from '../core/index.ts';

/** BLAKE3 of bytes that are there, and of bytes that come bit by bit. */
export interface Blake3 {
  readonly hash: PieceHash;
  readonly createHasher: () => PieceHasher;
}

export interface LoadedBlake3 extends Blake3 {
  readonly implementation: 'native' | 'wasm';
}

/** The fastest BLAKE3 that this machine loads. Throws `internal` where neither does. */
export async function loadPieceHash(): Promise<LoadedBlake3> {
  const native = await loadNativePieceHash();
  if (native) return { ...native, implementation: 'native' };
  return { ...(await loadWasmPieceHash()), implementation: 'wasm' };
}

/** `undefined` where the native module does not load. */
export async function loadNativePieceHash(): Promise<Blake3 | undefined> {
  try {
    const { blake3, Blake3Hasher } = await import('@napi-rs/blake-hash');
    const hash: PieceHash = (bytes) => blake3(asBuffer(bytes));
    hash(new Uint8Array(1));
    const createHasher = (): PieceHasher => {
      const hasher = new Blake3Hasher();
      return {
        update: (bytes) => void hasher.update(asBuffer(bytes)),
        digest: () => hasher.digestBuffer(),
      };
    };
    return { hash, createHasher };
  } catch {
    return undefined;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export async function loadWasmPieceHash(): Promise<Blake3> {
  try {
    const wasm = await createBLAKE3();
    return {
      hash: (bytes) => wasm.init().update(bytes).digest('binary'),
      createHasher: () => createWasmHasher(wasm),
    };
  } catch (error) {
    throw new AnaxError('internal', 'no BLAKE3 on this machine', { cause: error });
  }
}

/** The module is made asynchronously and has one state: hashers take turns with it. */
function createWasmHasher(wasm: IHasher): PieceHasher {
  let state = wasm.init().save();
  return {
    update: (bytes) => {
      state = wasm.load(state).update(bytes).save();
    },
    digest: () => wasm.load(state).digest('binary'),
  };
}
