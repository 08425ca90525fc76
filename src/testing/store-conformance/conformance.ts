// The conformance suite of the BlobStore port: run on every implementation. What is particular to disks (crashes,
// changed files, eviction) is tested beside the disk store.

import assert from 'node:assert/strict';
import { readSync, writeSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  type AnaxError,
  type BlobStore,
  createManifest,
  digestOf,
  type ErrorCode,
  type MaterializeOptions,
  MiB,
  type OpenBlob,
  type PinnedRef,
  parseRepoPath,
  type StoredPart,
} from '../../core/index.ts';
import { type TestBlob, testBlob } from './content.ts';

export interface StoreUnderTest {
  readonly store: BlobStore;
  /** An empty folder for outputs. */
  readonly outputs: string;
  /** Ends it, and removes what it left. */
  close(): Promise<void>;
}

const NEVER = new AbortController().signal;

export const hasErrorCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    (error as AnaxError).code === code;

export async function writeAll(blob: OpenBlob, content: TestBlob): Promise<void> {
  await Promise.all(
    Array.from({ length: content.pieces }, (_, i) => blob.write(i, content.piece(i), content.proof(i))),
  );
}

/** Puts a blob into a store, complete. */
export async function store(into: BlobStore, content: TestBlob): Promise<void> {
  const blob = await into.open(content.spec);
  await writeAll(blob, content);
  await blob.commit([content.sha256, content.gitSha1]);
  await blob.close();
}

export async function readAll(blob: OpenBlob, content: TestBlob): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let index = 0; index < content.pieces; index += 1) {
    const part = Buffer.alloc(content.piece(index).length);
    await blob.read(index, 0, part);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function spanBytes(blob: OpenBlob, index: number, length: number): Buffer {
  const { fd, offsetBytes, release } = blob.span(index);
  const bytes = Buffer.alloc(length);
  assert.equal(readSync(fd, bytes, 0, length, offsetBytes), length);
  release();
  return bytes;
}

export function blobStoreConformance(name: string, make: () => Promise<StoreUnderTest>): void {
  const on = (what: string, run: (under: StoreUnderTest) => Promise<void>): void => {
    test(what, async () => {
      const under = await make();
      try {
        await run(under);
      } finally {
        await under.close();
      }
    });
  };
  describe(`${name} is a blob store:`, () => {
    pieceTests(on);
    lifeTests(on);
    findTests(on);
    packTests(on);
    materializeTests(on);
    snapshotTests(on);
  });
}

type On = (what: string, run: (under: StoreUnderTest) => Promise<void>) => void;

function pieceTests(on: On): void {
  on('a written piece is held, and read back with its proof, whole and in parts', async ({ store: s }) => {
    const content = testBlob(1, 2.5 * MiB);
    const blob = await s.open({ ...content.spec });
    assert.equal(blob.state, 'partial');
    assert.equal(blob.held.count, 0);
    await blob.write(2, content.piece(2), content.proof(2));
    assert.deepEqual([...blob.held.values()], [2]);
    assert.deepEqual(blob.proof(2), content.proof(2));
    assert.equal(blob.proof(0), undefined);
    const part = Buffer.alloc(1000);
    await blob.read(2, 77, part);
    assert.ok(part.equals(content.piece(2).subarray(77, 1077)));
    await blob.close();
  });

  on('pieces written at the same time, in any order, do not mix', async ({ store: s }) => {
    const content = testBlob(2, 6 * MiB + 1);
    const blob = await s.open(content.spec);
    const order = [5, 0, 6, 3, 1, 4, 2, 3, 5];
    await Promise.all(order.map((i) => blob.write(i, content.piece(i), content.proof(i))));
    assert.ok(blob.held.isFull);
    assert.ok((await readAll(blob, content)).equals(content.bytes));
    await blob.close();
  });

  on(
    'a piece that somebody else puts in its place is held, and can be read where it is',
    async ({ store: s }) => {
      const content = testBlob(6, 2.5 * MiB);
      const blob = await s.open(content.spec);
      for (const index of [2, 0]) {
        const bytes = content.piece(index);
        await blob.fill(index, content.proof(index), async ({ fd, offsetBytes }) => {
          assert.equal(blob.held.has(index), false);
          assert.equal(writeSync(fd, bytes, 0, bytes.length, offsetBytes), bytes.length);
        });
        assert.deepEqual(blob.proof(index), content.proof(index));
        assert.ok(spanBytes(blob, index, bytes.length).equals(bytes));
        const part = Buffer.alloc(1000);
        await blob.read(index, 77, part);
        assert.ok(part.equals(bytes.subarray(77, 1077)));
      }
      assert.throws(() => blob.span(1), hasErrorCode('blob_not_found'));
      await blob.write(1, content.piece(1), content.proof(1));
      await blob.commit([]);
      assert.ok(spanBytes(blob, 1, MiB).equals(content.piece(1)));
      await blob.close();
    },
  );

  on('a piece that is not put is not held, and one that is held is not put again', async ({ store: s }) => {
    const content = testBlob(7, 1 * MiB);
    const blob = await s.open(content.spec);
    const puts: number[] = [];
    const failing = blob.fill(0, content.proof(0), async () => {
      puts.push(0);
      throw new Error('no bytes');
    });
    await assert.rejects(failing, { message: 'no bytes' });
    assert.equal(blob.held.count, 0);
    await blob.write(0, content.piece(0), content.proof(0));
    await blob.fill(0, content.proof(0), async () => void puts.push(1));
    assert.deepEqual(puts, [0]);
    await blob.close();
  });

  on('a span is good until it is released, whatever becomes of its blob', async ({ store: s }) => {
    const content = testBlob(8, 1 * MiB);
    const blob = await s.open(content.spec);
    await blob.write(0, content.piece(0), content.proof(0));
    const span = blob.span(0);
    await blob.discard();
    await blob.close();
    const bytes = Buffer.alloc(MiB);
    assert.equal(readSync(span.fd, bytes, 0, MiB, span.offsetBytes), MiB);
    assert.ok(bytes.equals(content.piece(0)));
    span.release();
    span.release();
  });

  on('writing a held piece changes nothing', async ({ store: s }) => {
    const content = testBlob(3, 1 * MiB);
    const blob = await s.open(content.spec);
    await blob.write(0, content.piece(0), content.proof(0));
    await blob.write(0, content.piece(0), content.proof(0, 'another'));
    assert.deepEqual(blob.proof(0), content.proof(0));
    await blob.close();
  });

  on('a proof can be replaced by one of the same digest only', async ({ store: s }) => {
    const content = testBlob(4, 2 * MiB);
    const blob = await s.open(content.spec);
    await blob.write(0, content.piece(0), content.proof(0));
    await blob.setProof(0, content.proof(0, 'me'));
    assert.deepEqual(blob.proof(0), content.proof(0, 'me'));
    await assert.rejects(blob.setProof(0, content.proof(1)), { name: 'AssertionError' });
    await assert.rejects(blob.setProof(1, content.proof(1)), hasErrorCode('blob_not_found'));
    await blob.close();
  });

  on('a dropped piece is not held, not read, and can be written again', async ({ store: s }) => {
    const content = testBlob(5, 2 * MiB);
    const blob = await s.open(content.spec);
    await writeAll(blob, content);
    await blob.drop([1]);
    await blob.drop([1]);
    assert.deepEqual([...blob.held.values()], [0]);
    await assert.rejects(blob.read(1, 0, Buffer.alloc(1)), hasErrorCode('blob_not_found'));
    await blob.write(1, content.piece(1), content.proof(1));
    assert.ok((await readAll(blob, content)).equals(content.bytes));
    await blob.close();
  });

  on('a piece of a wrong length is a bug of the caller', async ({ store: s }) => {
    const content = testBlob(6, 1.5 * MiB);
    const blob = await s.open(content.spec);
    await assert.rejects(blob.write(1, content.piece(0), content.proof(1)), { name: 'AssertionError' });
    await blob.close();
    await assert.rejects(s.open({ ...content.spec, sizeBytes: 0 }), { name: 'AssertionError' });
  });
}

function lifeTests(on: On): void {
  on('two handles share one blob; the other lives on when one closes', async ({ store: s }) => {
    const content = testBlob(10, 2 * MiB);
    const [a, b] = await Promise.all([s.open(content.spec), s.open(content.spec)]);
    await a.write(0, content.piece(0), content.proof(0));
    assert.ok(b.held.has(0));
    await a.close();
    await a.close();
    await b.write(1, content.piece(1), content.proof(1));
    assert.ok((await readAll(b, content)).equals(content.bytes));
    await b.close();
    await assert.rejects(b.write(0, content.piece(0), content.proof(0)), { name: 'AssertionError' });
  });

  on('a partial blob keeps its pieces while nobody has it open', async ({ store: s }) => {
    const content = testBlob(11, 3 * MiB);
    const first = await s.open(content.spec);
    await first.write(1, content.piece(1), content.proof(1));
    await first.close();
    assert.equal(s.list()[0]?.heldBytes, 1 * MiB);
    const second = await s.open(content.spec);
    assert.deepEqual([...second.held.values()], [1]);
    assert.deepEqual(second.proof(1), content.proof(1));
    await second.close();
  });

  on('whole digests follow the pieces, whatever their order, and are shared', async ({ store: s }) => {
    const content = testBlob(12, 3.5 * MiB);
    const blob = await s.open(content.spec);
    const early = blob.wholeDigests(NEVER);
    for (const i of [3, 1, 0, 2]) await blob.write(i, content.piece(i), content.proof(i));
    const expected = { sha256: content.sha256, gitSha1: content.gitSha1 };
    assert.deepEqual(await early, expected);
    assert.deepEqual(await blob.wholeDigests(NEVER), expected);
    await blob.commit([]);
    assert.deepEqual(await blob.wholeDigests(NEVER), expected);
    await blob.close();
  });

  on('waiting for whole digests can be given up by one and go on for the other', async ({ store: s }) => {
    const content = testBlob(13, 2 * MiB);
    const blob = await s.open(content.spec);
    const abort = new AbortController();
    const given = assert.rejects(blob.wholeDigests(abort.signal), { name: 'AbortError' });
    const kept = blob.wholeDigests(NEVER);
    abort.abort();
    await given;
    await writeAll(blob, content);
    assert.equal((await kept).sha256, content.sha256);
    await blob.close();
  });

  on('whole digests are of what is held after a drop', async ({ store: s }) => {
    const [wrong, right] = [testBlob(14, 2 * MiB), testBlob(15, 2 * MiB)];
    const blob = await s.open(right.spec);
    await writeAll(blob, wrong);
    assert.equal((await blob.wholeDigests(NEVER)).sha256, wrong.sha256);
    await blob.drop([0, 1]);
    const digests = blob.wholeDigests(NEVER);
    await writeAll(blob, right);
    assert.equal((await digests).sha256, right.sha256);
    await blob.close();
  });

  on('a partial blob in which nothing came in leaves nothing behind', async ({ store: s }) => {
    const { spec } = testBlob(25, 2 * MiB);
    const [one, two] = [await s.open(spec), await s.open(spec)];
    await one.close();
    assert.equal(s.list().length, 1);
    await two.close();
    assert.deepEqual(s.list(), []);
  });

  on('a discarded blob is gone for everybody and can be begun anew', async ({ store: s }) => {
    const content = testBlob(16, 2 * MiB);
    const [a, b] = [await s.open(content.spec), await s.open(content.spec)];
    await writeAll(a, content);
    await a.discard();
    assert.equal(b.held.count, 0);
    assert.deepEqual(s.list(), []);
    await assert.rejects(b.write(0, content.piece(0), content.proof(0)), hasErrorCode('blob_not_found'));
    const fresh = await s.open(content.spec);
    await fresh.write(0, content.piece(0), content.proof(0));
    await a.close();
    await b.close();
    assert.deepEqual([...fresh.held.values()], [0]);
    await fresh.close();
  });

  on('a blob lacking a piece is not committed', async ({ store: s }) => {
    const content = testBlob(17, 2 * MiB);
    const blob = await s.open(content.spec);
    await blob.write(0, content.piece(0), content.proof(0));
    await assert.rejects(blob.commit([]), { name: 'AssertionError' });
    assert.equal(blob.state, 'partial');
    await blob.close();
  });

  on('a complete blob from which a piece is dropped is partial again', async ({ store: s, outputs }) => {
    const content = testBlob(18, 3 * MiB);
    await store(s, content);
    const output = join(outputs, 'file');
    await s.materialize(content.spec.digest, output, { replace: false });
    const blob = await s.open(content.spec);
    await blob.drop([1]);
    assert.equal(blob.state, 'partial');
    assert.deepEqual([...blob.held.values()], [0, 2]);
    assert.equal(await s.find(content.spec.digest), undefined);
    assert.equal(await s.find(content.gitSha1), undefined);
    await blob.write(1, content.piece(1), content.proof(1));
    await blob.commit([content.gitSha1]);
    assert.ok((await readAll(blob, content)).equals(content.bytes));
    await blob.close();
    assert.equal((await s.find(content.gitSha1))?.digest, content.spec.digest);
    assert.ok((await readFile(output)).equals(content.bytes));
  });
}

function findTests(on: On): void {
  on('a complete blob is found by its digest and its aliases, a partial one is not', async ({ store: s }) => {
    const content = testBlob(20, 1.5 * MiB, 'git-sha1');
    const blob = await s.open(content.spec);
    await writeAll(blob, content);
    assert.equal(await s.find(content.gitSha1), undefined);
    await blob.commit([content.sha256]);
    await blob.commit([content.sha256]);
    assert.equal(blob.state, 'complete');
    await blob.write(0, content.piece(0), content.proof(0));
    await blob.close();
    for (const digest of [content.gitSha1, content.sha256]) {
      const found = await s.find(digest);
      assert.equal(found?.digest, content.gitSha1);
      assert.deepEqual(found?.aliases, [content.sha256]);
      assert.equal(found?.state, 'complete');
      assert.equal(found?.heldBytes, content.spec.sizeBytes);
    }
  });

  on('opening by an alias opens the blob that it names', async ({ store: s }) => {
    const content = testBlob(21, 2 * MiB, 'git-sha1');
    await store(s, content);
    const blob = await s.open({ ...content.spec, digest: content.sha256 });
    assert.equal(blob.state, 'complete');
    assert.equal(blob.spec.digest, content.gitSha1);
    assert.ok((await readAll(blob, content)).equals(content.bytes));
    assert.deepEqual(blob.proof(1), content.proof(1));
    await blob.close();
    assert.equal(s.list().length, 1);
  });

  on('a digest with another size is refused', async ({ store: s }) => {
    const content = testBlob(22, 2 * MiB);
    await store(s, content);
    const other = { ...content.spec, sizeBytes: 1 * MiB };
    await assert.rejects(s.open(other), hasErrorCode('digest_mismatch'));
  });

  on('an alias can be added to a complete blob, and a proof replaced', async ({ store: s }) => {
    const content = testBlob(23, 2 * MiB);
    const blob = await s.open(content.spec);
    await writeAll(blob, content);
    await blob.commit([]);
    await blob.commit([content.gitSha1]);
    await Promise.all([0, 1].map((i) => blob.setProof(i, content.proof(i, 'me'))));
    await blob.close();
    assert.equal((await s.find(content.gitSha1))?.digest, content.spec.digest);
    const again = await s.open(content.spec);
    assert.deepEqual([again.proof(0), again.proof(1)], [content.proof(0, 'me'), content.proof(1, 'me')]);
    await again.close();
  });

  on('a blob is removed unless it is open', async ({ store: s }) => {
    const content = testBlob(24, 1 * MiB);
    assert.equal(await s.remove(content.spec.digest), false);
    await store(s, content);
    const blob = await s.open(content.spec);
    await assert.rejects(s.remove(content.spec.digest), hasErrorCode('store_locked'));
    await blob.close();
    assert.equal(await s.remove(content.gitSha1), true);
    assert.equal(await s.find(content.spec.digest), undefined);
    assert.deepEqual(s.list(), []);
  });
}

function packTests(on: On): void {
  const content = testBlob(40, 5_000);
  const parts: StoredPart[] = [
    [0, 2_000],
    [2_000, 3_000],
  ].map(([offsetBytes = 0, sizeBytes = 0]) => {
    const bytes = content.bytes.subarray(offsetBytes, offsetBytes + sizeBytes);
    return { digests: [digestOf('git-sha1', bytes), digestOf('sha256', bytes)], offsetBytes, sizeBytes };
  });
  const [, second] = parts;
  assert.ok(second);
  const bytes = content.bytes.subarray(2_000);
  const storePack = async (s: BlobStore): Promise<void> => {
    const blob = await s.open(content.spec);
    await writeAll(blob, content);
    await blob.commit([], parts);
    await blob.close();
  };

  on('a file in a pack is found, read and put out by each of its digests', async ({ store: s, outputs }) => {
    for (const digest of second.digests) assert.equal(await s.readSmall(digest), undefined);
    await storePack(s);
    assert.deepEqual(s.list()[0]?.parts, parts);
    for (const digest of second.digests) {
      const found = await s.find(digest);
      assert.equal(found?.pack, content.spec.digest);
      assert.equal(found?.sizeBytes, 3_000);
      assert.deepEqual([found?.digest, ...found.aliases], second.digests);
      assert.deepEqual(await s.readSmall(digest), Buffer.from(bytes));
      assert.equal(await s.materialize(digest, join(outputs, 'file'), { replace: true }), 'copy');
      assert.deepEqual(await readFile(join(outputs, 'file')), Buffer.from(bytes));
    }
    assert.deepEqual(await s.readSmall(content.spec.digest), Buffer.from(content.bytes), 'a blob of its own');
  });

  on('a file in a pack goes with the pack', async ({ store: s, outputs }) => {
    const [digest] = second.digests;
    await storePack(s);
    const blob = await s.open(content.spec);
    await blob.drop([0]);
    await blob.close();
    assert.equal(await s.find(digest), undefined);
    await storePack(s);
    assert.ok(await s.find(digest));
    await s.remove(content.spec.digest);
    assert.equal(await s.find(digest), undefined);
    const put = s.materialize(digest, join(outputs, 'file'), { replace: false });
    await assert.rejects(put, hasErrorCode('blob_not_found'));
  });
}

function materializeTests(on: On): void {
  for (const method of ['link', 'copy'] as const) {
    on(`a blob is put at a path (${method}), once unless it may replace`, async ({ store: s, outputs }) => {
      const content = testBlob(30, 1.25 * MiB);
      await store(s, content);
      const target = join(outputs, 'model.bin');
      const put = (options: MaterializeOptions) => s.materialize(content.gitSha1, target, options);
      const used = await put({ replace: false, method });
      if (method === 'copy') assert.equal(used, 'copy');
      assert.ok((await readFile(target)).equals(content.bytes));
      await put({ replace: true, method });
      await put({ replace: true, method });
      await writeFile(join(outputs, 'other'), 'mine');
      const other = s.materialize(content.spec.digest, join(outputs, 'other'), { replace: false, method });
      await assert.rejects(other, hasErrorCode('output_exists'));
      assert.equal(await readFile(join(outputs, 'other'), 'utf8'), 'mine');
      assert.deepEqual((await readdir(outputs)).toSorted(), ['model.bin', 'other']);
    });
  }

  on('the empty blob is put without being stored', async ({ store: s, outputs }) => {
    const empty = digestOf('git-sha1', new Uint8Array(0));
    await s.materialize(empty, join(outputs, 'empty'), { replace: false });
    assert.equal((await readFile(join(outputs, 'empty'))).length, 0);
  });

  on('what is not complete is not put anywhere', async ({ store: s, outputs }) => {
    const content = testBlob(31, 1 * MiB);
    const blob = await s.open(content.spec);
    await writeAll(blob, content);
    const early = s.materialize(content.spec.digest, join(outputs, 'x'), { replace: true });
    await assert.rejects(early, hasErrorCode('blob_not_found'));
    await blob.close();
    assert.deepEqual(await readdir(outputs), []);
  });

  on('a target whose folder is missing is unwritable', async ({ store: s, outputs }) => {
    const content = testBlob(32, 1 * MiB);
    await store(s, content);
    const target = join(outputs, 'no', 'such', 'folder');
    await assert.rejects(
      s.materialize(content.spec.digest, target, { replace: true }),
      hasErrorCode('output_unwritable'),
    );
  });
}

function snapshotTests(on: On): void {
  on('snapshots are found by id and by the last key', async ({ store: s }) => {
    const snapshots = [1, 2].map((seed) => {
      const { spec } = testBlob(seed, 10);
      const manifest = createManifest([{ path: parseRepoPath('a/b'), sizeBytes: 10, digest: spec.digest }]);
      return { id: manifest.id, ref: pinnedRef(`${seed}`.repeat(40)), manifest };
    });
    const [one, two] = snapshots;
    assert.ok(one && two);
    await s.putSnapshot(one, 'key one');
    await s.putSnapshot(two, 'key two');
    assert.deepEqual(s.snapshot(one.id), one);
    assert.deepEqual(s.snapshotByRef('key two'), two);
    assert.deepEqual(s.snapshots(), [two, one]);
    await s.putSnapshot(one, 'key two');
    assert.deepEqual(s.snapshotByRef('key two'), one);
    assert.deepEqual(s.snapshots(), [one, two]);
    assert.equal(s.snapshotByRef('key three'), undefined);
  });
}

function pinnedRef(revision: string): PinnedRef {
  const endpoint = 'https://hub.example';
  return { scheme: 'hf', endpoint, repo: 'o/n', revision, path: '', restricted: false };
}
