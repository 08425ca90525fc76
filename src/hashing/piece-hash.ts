// BLAKE3 of a piece. The native module (SIMD, 4–9 GiB/s a core) where it loads; where it doesn't (another libc, another
// processor) WebAssembly at about 0.8 GiB/s. Both give the same 32 bytes; a test holds them to it.

import { createBLAKE3 } from 'hash-wasm';
import { AnaxError, type PieceHash } from '../core/index.ts';

export type PieceHashImplementation = 'native' | 'wasm';

export interface LoadedPieceHash {
  readonly hash: PieceHash;
  readonly implementation: PieceHashImplementation;
}

/** The fastest BLAKE3 that this machine loads. Throws `internal` where neither does. */
export async function loadPieceHash(): Promise<LoadedPieceHash> {
  const native = await loadNativePieceHash();
  if (native) return { hash: native, implementation: 'native' };
  return { hash: await loadWasmPieceHash(), implementation: 'wasm' };
}

/** `undefined` where the native module does not load. */
export async function loadNativePieceHash(): Promise<PieceHash | undefined> {
  try {
    const { blake3 } = await import('@napi-rs/blake-hash');
    const hash: PieceHash = (bytes) => blake3(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    hash(new Uint8Array(1));
    return hash;
  } catch {
    return undefined;
  }
}

export async function loadWasmPieceHash(): Promise<PieceHash> {
  try {
    const hasher = await createBLAKE3();
    return (bytes) => hasher.init().update(bytes).digest('binary');
  } catch (error) {
    throw new AnaxError('internal', 'no BLAKE3 on this machine', { cause: error });
  }
}
