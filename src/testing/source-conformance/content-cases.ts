// What a source must do when nothing goes wrong.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { SourceFixture } from './fixture.ts';
import { anonymous, assertDigestFits, assertFails, pin, publish, publishFile, read } from './helpers.ts';
import { EMPTY_FILE, LARGE_BYTES, LARGE_FILE, SMALL_FILE, sampleBytes, sampleFiles } from './sample-files.ts';

export function contentCases(fixture: () => SourceFixture): void {
  it('lists every file, odd names included, with size and digest, and gives its bytes', async () => {
    const files = sampleFiles();
    const published = await publish(fixture(), files);
    let count = 0;
    for (const { ref, listed, content } of published) {
      for (const file of listed) {
        count += 1;
        const expected = content(file.path);
        assert.equal(file.sizeBytes, expected.length);
        assertDigestFits(file, expected);
        assert.ok((await read(fixture(), ref, file)).equals(expected), `the bytes of ${file.path}`);
        assert.deepEqual(await fixture().source.stat(ref, file.path, anonymous()), file);
      }
    }
    assert.equal(count, Object.keys(files).length);
  });

  it('gives the same pinned revision and listing again, also by the formatted URL', async () => {
    const { source, parseOptions } = fixture();
    const url = await fixture().put({ [SMALL_FILE]: sampleBytes(300, 1) });
    const first = await pin(fixture(), url);
    const again = await pin(fixture(), source.format(first));
    assert.notEqual(first.revision, '');
    assert.deepEqual(again, first);
    assert.deepEqual(source.parse(source.format(first), parseOptions), withoutRestriction(first));
    assert.deepEqual(await source.list(again, anonymous()), await source.list(first, anonymous()));
  });

  it('gives any range exactly, of a large and of a small file', async () => {
    for (const [path, sizeBytes] of [
      [LARGE_FILE, LARGE_BYTES],
      [SMALL_FILE, 999],
    ] as const) {
      const bytes = sampleBytes(sizeBytes, 3);
      const { ref, file } = await publishFile(fixture(), path, bytes);
      const border = fc.integer({ min: 0, max: sizeBytes });
      await fc.assert(
        fc.asyncProperty(border, border, async (a, b) => {
          const range = { start: Math.min(a, b), end: Math.max(a, b) };
          const given = await read(fixture(), ref, file, range);
          assert.ok(given.equals(bytes.subarray(range.start, range.end)), `${range.start}–${range.end}`);
        }),
        {
          numRuns: 30,
          examples: [
            [0, 0],
            [sizeBytes, sizeBytes],
            [0, 1],
            [sizeBytes - 1, sizeBytes],
          ],
        },
      );
    }
  });

  it('gives concurrent ranges of one file', async () => {
    const bytes = sampleBytes(LARGE_BYTES, 4);
    const { ref, file } = await publishFile(fixture(), LARGE_FILE, bytes);
    const step = 100_000;
    const starts = Array.from({ length: Math.ceil(LARGE_BYTES / step) }, (_, index) => index * step);
    const parts = await Promise.all(
      starts.map((start) => read(fixture(), ref, file, { start, end: Math.min(start + step, LARGE_BYTES) })),
    );
    assert.ok(Buffer.concat(parts).equals(bytes));
  });

  it('gives nothing of an empty file, and asks the origin nothing for it', async () => {
    const { ref, file } = await publishFile(fixture(), EMPTY_FILE, new Uint8Array(0));
    assert.equal(file.sizeBytes, 0);
    const before = fixture().requests?.().length;
    assert.equal((await read(fixture(), ref, file)).length, 0);
    assert.equal(fixture().requests?.().length, before);
  });

  it('lists an empty repository as no files', async (t) => {
    if (!fixture().holdsNothing) return t.skip('every URL is a file');
    const ref = await pin(fixture(), await fixture().put({}));
    assert.deepEqual(await fixture().source.list(ref, anonymous()), []);
  });

  it('lists only what is at or under a path', async (t) => {
    if (fixture().holdsOneFile) return t.skip('every URL is a file');
    const { source } = fixture();
    const ref = await pin(
      fixture(),
      await fixture().put({ 'a/x': sampleBytes(1, 1), 'ab/y': sampleBytes(2, 2), z: sampleBytes(3, 3) }),
    );
    const paths = async (path: string) =>
      (await source.list({ ...ref, path }, anonymous())).map((file) => file.path);
    assert.deepEqual(await paths('a'), ['a/x']);
    assert.deepEqual(await paths('ab/y'), ['ab/y']);
    await assertFails(paths('abc'), 'file_not_found');
  });

  it('says what exists', async () => {
    const { source, parseOptions } = fixture();
    const ref = source.parse(await fixture().put({ [SMALL_FILE]: sampleBytes(3, 1) }), parseOptions);
    assert.equal(await source.exists(ref, anonymous()), true);
    const { repo, revision, file } = await fixture().absent();
    for (const absent of [repo, revision, file]) {
      if (absent === undefined) continue;
      assert.equal(
        await source.exists(source.parse(absent.url, parseOptions), anonymous()),
        false,
        absent.url,
      );
    }
  });
}

function withoutRestriction<Ref extends { readonly restricted: boolean }>(ref: Ref): Omit<Ref, 'restricted'> {
  const { restricted: _, ...rest } = ref;
  return rest;
}
