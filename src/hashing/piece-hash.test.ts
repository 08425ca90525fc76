import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PIECE_DIGEST_BYTES } from '../core/index.ts';
import { loadNativePieceHash, loadPieceHash, loadWasmPieceHash } from './index.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('gives the published BLAKE3 of the empty input, in 32 bytes', async () => {
  const { hash } = await loadPieceHash();
  const digest = hash(new Uint8Array(0));
  assert.equal(digest.length, PIECE_DIGEST_BYTES);
  assert.equal(hex(digest), 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262');
});

test('native and wasm give equal digests, also of views into larger buffers', async () => {
  const native = await loadNativePieceHash();
  assert.ok(native, 'the native module loads where the tests run');
  const wasm = await loadWasmPieceHash();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20_000 }), fc.nat(64), (bytes, offset) => {
      const view = bytes.subarray(Math.min(offset, bytes.length));
      assert.equal(hex(native(view)), hex(wasm(view)));
    }),
  );
  const mebibyte = new Uint8Array(1024 * 1024 + 7).map((_, at) => at * 31);
  assert.equal(hex(native(mebibyte)), hex(wasm(mebibyte)));
});

test('two digests of one loaded hash do not share memory', async () => {
  for (const hash of [await loadNativePieceHash(), await loadWasmPieceHash()]) {
    assert.ok(hash);
    const first = hash(Buffer.from('a'));
    const before = hex(first);
    hash(Buffer.from('b'));
    assert.equal(hex(first), before);
  }
});
