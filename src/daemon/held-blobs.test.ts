import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobKey, type Digest, digestOf, MiB, type StoredBlob } from '../core/index.ts';
import type { Statement } from '../scheduler-server/index.ts';
import { repositoryOf } from './cluster-harness.ts';
import { HeldBlobs } from './held-blobs.ts';

const HUB = 'hub.example';

function contentOf(text: string, sizeBytes = MiB) {
  const bytes = Buffer.alloc(sizeBytes, text);
  return { bytes, digest: digestOf('sha256', bytes) };
}

function stored(digest: Digest, changes: Partial<StoredBlob> = {}): StoredBlob {
  const sizes = { sizeBytes: MiB, heldBytes: MiB, pieceLengthBytes: MiB };
  return { digest, ...sizes, aliases: [], parts: [], state: 'complete', lastUsedAtMs: 0, ...changes };
}

function create(blobs: StoredBlob[], hubEndpoints = {}) {
  const said: Extract<Statement, { kind: 'blobsHeld' }>[] = [];
  const held = new HeldBlobs({
    mayLend: true,
    store: { list: () => blobs },
    hubEndpoints,
    tell: (statement) => void said.push(statement),
  });
  return { held, said };
}

const content = contentOf('weights');
const { snapshot } = repositoryOf({ 'model.bin': content.bytes });

test('a blob is told of under the hub that lists it', () => {
  const { held, said } = create([stored(content.digest)]);
  held.learn(snapshot);
  held.tellAll();
  const key = blobKey(content.digest, { hub: HUB });
  assert.deepEqual(said, [{ kind: 'blobsHeld', isAll: true, gained: [key], lost: [] }]);
  assert.equal(held.blobOf(key), content.digest);
  assert.equal(held.blobOf(blobKey(content.digest, 'public')), undefined);
});

test("as public only where a hub of the operator's lists it for everybody", () => {
  const hubEndpoints = { fake: 'https://hub.example' };
  const key = blobKey(content.digest, 'public');
  for (const [restricted, expected] of [
    [false, content.digest],
    [true, undefined],
  ] as const) {
    const { held } = create([stored(content.digest)], hubEndpoints);
    held.learn({ ...snapshot, ref: { ...snapshot.ref, restricted } });
    held.tellAll();
    assert.equal(held.blobOf(key), expected);
  }
});

test('not: what no snapshot lists, what is incomplete, small, packed, or known by a weaker digest', () => {
  const small = contentOf('small', MiB - 1);
  const old = `git-sha1:${'a'.repeat(40)}` as Digest;
  const blobs = [
    stored(contentOf('unlisted').digest),
    stored(content.digest, { state: 'partial' }),
    stored(small.digest, { sizeBytes: MiB - 1 }),
    stored(old),
  ];
  const { held, said } = create(blobs);
  held.learn(repositoryOf({ a: content.bytes, b: small.bytes }).snapshot);
  held.learn({
    ...snapshot,
    manifest: {
      ...snapshot.manifest,
      files: snapshot.manifest.files.map((file) => ({ ...file, digest: old })),
    },
  });
  held.tellAll();
  assert.deepEqual(said[0]?.gained, []);
});

test('a blob that the store has under another digest is told of under the one that is listed', () => {
  const inStore = `git-sha1:${'b'.repeat(40)}` as Digest;
  const { held } = create([stored(inStore, { aliases: [content.digest] })]);
  held.learn(snapshot);
  held.tellAll();
  assert.equal(held.blobOf(blobKey(content.digest, { hub: HUB })), inStore);
});

test('what came and went since is told together', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const other = contentOf('other');
  const blobs = [stored(content.digest)];
  const { held, said } = create(blobs);
  held.learn(repositoryOf({ a: content.bytes, b: other.bytes }).snapshot);
  held.tellAll();
  held.changed();
  blobs.push(stored(other.digest));
  held.changed();
  blobs.shift();
  context.mock.timers.tick(1_000);
  const key = (digest: Digest) => blobKey(digest, { hub: HUB });
  const change = { gained: [key(other.digest)], lost: [key(content.digest)] };
  assert.deepEqual(said.slice(1), [{ kind: 'blobsHeld', isAll: false, ...change }]);
  held.changed();
  context.mock.timers.tick(1_000);
  assert.equal(said.length, 2, 'nothing new is not told');
});

test('of very many the largest are told', () => {
  const blobs = Array.from({ length: 5_000 }, (_, at) =>
    stored(`sha256:${at.toString(16).padStart(64, '0')}` as Digest, { sizeBytes: MiB + at }),
  );
  const { held, said } = create(blobs);
  const [file = assert.fail()] = snapshot.manifest.files;
  const files = blobs.map(({ digest, sizeBytes }) => ({ ...file, digest, sizeBytes }));
  held.learn({ ...snapshot, manifest: { ...snapshot.manifest, files } });
  held.tellAll();
  assert.equal(said[0]?.gained.length, 4_096);
  assert.equal(held.blobOf(blobKey(blobs[0]?.digest ?? assert.fail(), { hub: HUB })), undefined);
});
