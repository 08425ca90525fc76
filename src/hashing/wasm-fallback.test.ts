// In a process of its own, where the native module does not load.

import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { test } from 'node:test';

let refused = 0;
registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier !== '@napi-rs/blake-hash') return next(specifier, context);
    refused += 1;
    throw new Error('cannot open shared object file');
  },
});

test('where the native module does not load, WebAssembly gives the same digests', async () => {
  const { loadPieceHash } = await import('./index.ts');
  const { implementation, hash, createHasher } = await loadPieceHash();
  assert.equal(implementation, 'wasm');
  assert.ok(refused > 0, 'the native module was asked for');
  // BLAKE3's published test vectors: byte i of the input is i mod 251.
  const vectors = {
    0: 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
    1: '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213',
  };
  for (const [length, digest] of Object.entries(vectors)) {
    const input = Uint8Array.from({ length: Number(length) }, (_, at) => at % 251);
    assert.equal(Buffer.from(hash(input)).toString('hex'), digest);
    const hasher = createHasher();
    hasher.update(input);
    assert.equal(Buffer.from(hasher.digest()).toString('hex'), digest);
  }
});
