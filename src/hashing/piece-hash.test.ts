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
      assert.equal(hex(native.hash(view)), hex(wasm.hash(view)));
    }),
  );
  const mebibyte = new Uint8Array(1024 * 1024 + 7).map((_, at) => at * 31);
  assert.equal(hex(native.hash(mebibyte)), hex(wasm.hash(mebibyte)));
});

test('two digests of one loaded hash do not share memory', async () => {
  for (const blake3 of [await loadNativePieceHash(), await loadWasmPieceHash()]) {
    assert.ok(blake3);
    const first = blake3.hash(Buffer.from('a'));
    const before = hex(first);
    blake3.hash(Buffer.from('b'));
    assert.equal(hex(first), before);
  }
});

test('bytes that come in parts have the digest of the whole, and hashers do not disturb each other', async () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 6 });
  for (const blake3 of [await loadNativePieceHash(), await loadWasmPieceHash()]) {
    assert.ok(blake3);
    fc.assert(
      fc.property(parts, parts, (ones, others) => {
        const one = blake3.createHasher();
        const other = blake3.createHasher();
        for (let at = 0; at < Math.max(ones.length, others.length); at += 1) {
          one.update(ones[at] ?? new Uint8Array());
          other.update(others[at] ?? new Uint8Array());
        }
        assert.equal(hex(one.digest()), hex(blake3.hash(Buffer.concat(ones))));
        assert.equal(hex(other.digest()), hex(blake3.hash(Buffer.concat(others))));
      }),
    );
  }
});
