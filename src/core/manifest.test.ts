import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createManifest,
  type Digest,
  decodeManifest,
  digestOf,
  type ErrorCode,
  encodeManifest,
  hasCode,
  type ListedFile,
  MiB,
  PieceMap,
  parseRepoPath,
  type RepoPath,
  type SnapshotId,
} from './index.ts';

function file(path: string, sizeBytes: number, content = path): ListedFile {
  return { path: parseRepoPath(path), sizeBytes, digest: digestOf('sha256', Buffer.from(content)) };
}

function throwsCode(run: () => unknown, code: ErrorCode): void {
  assert.throws(run, (error) => hasCode(error, code));
}

const paths = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/u), { maxLength: 20 });
const listings = paths.chain((names) =>
  fc.tuple(...names.map((name) => fc.nat(40 * MiB).map((size) => file(name, size)))),
);

test('a manifest does not depend on the order of the listing, and comes back from its bytes', () => {
  fc.assert(
    fc.property(listings, (listed) => {
      const manifest = createManifest(listed);
      assert.equal(createManifest(listed.toReversed()).id, manifest.id);
      assert.deepEqual(decodeManifest(manifest.id, encodeManifest(manifest)), manifest);
    }),
  );
});

test('random bytes are never a manifest', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      throwsCode(() => decodeManifest('00'.repeat(32) as SnapshotId, bytes), 'peer_protocol');
    }),
  );
});

test('a manifest with another id than asked for is refused', () => {
  const manifest = createManifest([file('a', 1)]);
  const other = createManifest([file('b', 1)]);
  throwsCode(() => decodeManifest(other.id, encodeManifest(manifest)), 'peer_protocol');
});

test('a listing that names a path twice, or a file as a folder, is refused', () => {
  throwsCode(() => createManifest([file('a', 1), file('a', 1)]), 'listing_unsafe');
  throwsCode(() => createManifest([file('a', 1), file('a/b', 1)]), 'listing_unsafe');
});

test('one digest with two sizes is refused, and so are sizes that cannot be', () => {
  throwsCode(() => createManifest([file('a', 1, 'same'), file('b', 2, 'same')]), 'listing_unsafe');
  for (const size of [-1, 0.5, Number.NaN, 2 ** 60]) {
    throwsCode(() => createManifest([file('a', size)]), 'limit_exceeded');
  }
});

test('paths that could leave their folder are refused', () => {
  const hostile = [
    '',
    '/etc/passwd',
    '..',
    '../x',
    'a/../b',
    'a//b',
    './a',
    'a/.',
    'a\\b',
    'a\0b',
    'a\nb',
    '\ud800',
  ];
  for (const path of [...hostile, 'x'.repeat(256), `${'x/'.repeat(1100)}x`]) {
    throwsCode(() => parseRepoPath(path), 'listing_unsafe');
  }
  for (const path of ['a b', 'ä/ö#?%20', '.gitattributes', '..a', 'a..', '日本語/モデル.bin']) {
    assert.equal(parseRepoPath(path), path);
  }
});

test('the piece map numbers every piece of every distinct blob once', () => {
  fc.assert(
    fc.property(listings, (listed) => {
      const map = new PieceMap(createManifest(listed));
      let bytes = 0;
      for (let piece = 0; piece < map.pieceCount; piece += 1) {
        const { blob, index, sizeBytes } = map.locate(piece);
        assert.equal(blob.pieces.start + index, piece);
        assert.ok(sizeBytes > 0 && sizeBytes <= blob.pieceLengthBytes);
        bytes += sizeBytes;
      }
      const distinct = new Map<Digest, number>(listed.map(({ digest, sizeBytes }) => [digest, sizeBytes]));
      assert.equal(
        bytes,
        [...distinct.values()].reduce((sum, size) => sum + size, 0),
      );
    }),
  );
});

test('the same content under two names has one set of pieces', () => {
  const twin = (path: string): ListedFile => ({ ...file('x', 3 * MiB), path: path as RepoPath });
  assert.equal(new PieceMap(createManifest([twin('a'), twin('b')])).pieceCount, 3);
});
