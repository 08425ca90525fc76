import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MiB } from './bytes.ts';
import { type Digest, digestOf } from './digest.ts';
import { MAX_PACKED_BYTES, type PackedBlob, packSmallBlobs } from './pack.ts';
import { pieceLengthFor } from './piece.ts';

function blobOf(name: string, sizeBytes: number): PackedBlob {
  const digest = digestOf('sha256', Buffer.from(name));
  return { digest, sizeBytes, pieceLengthBytes: pieceLengthFor(sizeBytes) };
}

const rows = fc
  .array(fc.oneof(fc.integer({ min: 1, max: MAX_PACKED_BYTES + 2 }), fc.integer({ min: 1, max: 4 * MiB })), {
    maxLength: 60,
  })
  .map((sizes) => sizes.map((size, at) => blobOf(`file ${at}`, size)));

test('every blob is in exactly one place, and a pack is one piece without gaps', () => {
  fc.assert(
    fc.property(rows, (blobs) => {
      const content: Digest[] = [];
      for (const { digest, sizeBytes, pieceLengthBytes, parts } of packSmallBlobs(blobs)) {
        content.push(...(parts?.map((part) => part.digest) ?? [digest]));
        if (!parts) continue;
        assert.ok(parts.length > 1 && sizeBytes <= pieceLengthBytes);
        let end = 0;
        for (const part of parts) {
          assert.ok(part.offsetBytes === end && part.sizeBytes <= MAX_PACKED_BYTES);
          end += part.sizeBytes;
        }
        assert.equal(end, sizeBytes);
      }
      assert.deepEqual(content.toSorted(), blobs.map(({ digest }) => digest).toSorted());
    }),
  );
});

test('packs are at least three quarters full, but for the last', () => {
  fc.assert(
    fc.property(rows, (blobs) => {
      const small = blobs.filter(({ sizeBytes }) => sizeBytes <= MAX_PACKED_BYTES);
      const packs = packSmallBlobs(small);
      for (const { sizeBytes } of packs.slice(0, -1)) assert.ok(sizeBytes > MiB - MAX_PACKED_BYTES);
    }),
  );
});

test('a pack is named after its files, their sizes and their order', () => {
  const [a, b, c] = [blobOf('a', 10), blobOf('b', 20), blobOf('c', 30)];
  const name = (...blobs: PackedBlob[]): Digest | undefined => packSmallBlobs(blobs)[0]?.digest;
  assert.match(name(a, b) ?? '', /^pack:[0-9a-f]{64}$/u);
  assert.equal(name(a, b), name(a, b));
  assert.notEqual(name(a, b), name(b, a));
  assert.notEqual(name(a, b), name(a, b, c));
  assert.notEqual(name(a, b), name(a, { ...b, sizeBytes: 21 }));
});

test('what is alone, or cannot be checked by itself, is not packed', () => {
  const alone = blobOf('a', 10);
  assert.deepEqual(packSmallBlobs([alone, blobOf('large', MiB)]), [alone, blobOf('large', MiB)]);
  const unnamed = { ...alone, digest: `origin:${'ab'.repeat(32)}` as Digest };
  assert.deepEqual(packSmallBlobs([unnamed, alone]), [unnamed, alone]);
});
