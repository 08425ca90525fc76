import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AnaxError,
  createIdentity,
  type Digest,
  digestOf,
  hasCode,
  type MappedBlob,
  type OpenBlob,
  signVerdict,
} from '../core/index.ts';
import { MemoryBlobStore } from '../testing/memory-store/index.ts';
import { type TestBlob, testBlob, testPieceHash } from '../testing/store-conformance/index.ts';
import { BlobTask, checkEmptyFile, errorOfVerdict, sha256Bytes } from './blob-task.ts';

const MIB = 1024 * 1024;
const SIZE = 2.5 * MIB;

async function taskOf(blob: TestBlob, ...pieces: number[]): Promise<BlobTask> {
  const open = await new MemoryBlobStore().open(blob.spec);
  for (const index of pieces) await open.write(index, blob.piece(index), blob.proof(index));
  return new BlobTask(mappedOf(blob), open, 'model.bin');
}

function mappedOf({ spec, pieces }: TestBlob): MappedBlob {
  return { ...spec, pieces: { start: 10, end: 10 + pieces } };
}

async function wholeOf({ open }: BlobTask): ReturnType<OpenBlob['wholeDigests']> {
  return open.wholeDigests(AbortSignal.timeout(5_000));
}

test('a blob that the store has complete is complete at once', async () => {
  const blob = testBlob(1, SIZE);
  const filled = await taskOf(blob, 0, 1, 2);
  await filled.open.commit([]);
  const task = new BlobTask(mappedOf(blob), filled.open, 'model.bin');
  assert.equal(task.status, 'complete');
  await task.fileSettled(task.mapped.digest);
});

test('held bytes count the last, shorter piece as what it is', async () => {
  const blob = testBlob(1, SIZE);
  assert.equal((await taskOf(blob)).heldBytes, 0);
  assert.equal((await taskOf(blob, 0)).heldBytes, MIB);
  assert.equal((await taskOf(blob, 2)).heldBytes, 0.5 * MIB);
  assert.equal((await taskOf(blob, 0, 2)).heldBytes, 1.5 * MIB);
  assert.equal((await taskOf(blob, 0, 1, 2)).heldBytes, SIZE);
});

test('a failure is final, and nobody has to wait for it', async () => {
  const task = await taskOf(testBlob(1, SIZE));
  task.fail(new AnaxError('digest_mismatch', 'first'));
  task.fail(new AnaxError('disk_full', 'second'));
  assert.equal(task.status, 'failed');
  assert.equal(task.isSettled, true);
  await assert.rejects(task.fileSettled(task.mapped.digest), (error) => hasCode(error, 'digest_mismatch'));
});

test('a blob that is complete does not fail any more', async () => {
  const task = await taskOf(testBlob(1, SIZE));
  task.complete();
  task.fail(new AnaxError('disk_full'));
  assert.equal(task.status, 'complete');
  await task.fileSettled(task.mapped.digest);
});

test('the root depends on every piece and on their order, and on nothing else', async () => {
  const blob = testBlob(1, SIZE);
  const root = (await taskOf(blob, 0, 1, 2)).root(testPieceHash);
  assert.deepEqual((await taskOf(blob, 2, 1, 0)).root(testPieceHash), root);
  assert.notDeepEqual((await taskOf(testBlob(2, SIZE), 0, 1, 2)).root(testPieceHash), root);
  const digests = [0, 1, 2].map((index) => blob.proof(index).digest);
  assert.deepEqual(testPieceHash(Buffer.concat(digests)), root);
});

for (const identity of ['sha256', 'git-sha1'] as const) {
  test(`whole digests are checked against a published ${identity}`, async () => {
    const task = await taskOf(testBlob(1, SIZE, identity), 0, 1, 2);
    task.check(await wholeOf(task));
    const other = await taskOf(testBlob(2, SIZE, identity), 0, 1, 2);
    const wrong = await wholeOf(other);
    assert.throws(
      () => task.check(wrong),
      (error) =>
        hasCode(error, 'digest_mismatch') &&
        error.details['file'] === 'model.bin' &&
        error.details['expected'] === task.mapped.digest &&
        error.details['actual'] === (identity === 'sha256' ? wrong.sha256 : wrong.gitSha1),
    );
  });
}

test('after a check the blob has its other names, and not its own', async () => {
  const blob = testBlob(1, SIZE, 'git-sha1');
  const task = await taskOf(blob, 0, 1, 2);
  assert.deepEqual(task.aliases(), []);
  task.check(await wholeOf(task));
  assert.deepEqual(task.aliases(), [blob.sha256]);
});

test('a verdict gives the name that the reader computed, and zeros give none', async () => {
  const blob = testBlob(1, SIZE, 'git-sha1');
  const task = await taskOf(blob, 0, 1, 2);
  const reader = createIdentity();
  const sha256 = sha256Bytes(undefined, blob.sha256);
  const finding = { good: true, root: new Uint8Array(32), sha256 };
  task.verdict = signVerdict(reader, blob.spec, finding);
  assert.deepEqual(task.aliases(), [blob.sha256]);
  task.verdict = signVerdict(reader, blob.spec, { ...finding, sha256: new Uint8Array(32) });
  assert.deepEqual(task.aliases(), []);
});

test('a bad verdict says both digests where the reader computed the kind that was published', () => {
  const [published, found] = [testBlob(1, SIZE), testBlob(2, SIZE)];
  const finding = { good: false, root: new Uint8Array(32) };
  const signed = (sha256: Uint8Array) =>
    signVerdict(createIdentity(), published.spec, { ...finding, sha256 });
  const named = errorOfVerdict('a', published.sha256, signed(sha256Bytes(undefined, found.sha256)));
  assert.deepEqual(named.details, { file: 'a', expected: published.sha256, actual: found.sha256 });
  const unnamed = errorOfVerdict('a', published.sha256, signed(new Uint8Array(32)));
  assert.deepEqual(unnamed.details, { file: 'a', expected: published.sha256 });
  const other = errorOfVerdict('a', published.gitSha1, signed(sha256Bytes(undefined, found.sha256)));
  assert.deepEqual(other.details, { file: 'a', expected: published.gitSha1 });
});

test('an empty file must have the digest of nothing', () => {
  const nothing = new Uint8Array();
  checkEmptyFile('empty', digestOf('sha256', nothing));
  checkEmptyFile('empty', digestOf('git-sha1', nothing));
  checkEmptyFile('empty', `origin:${'a'.repeat(64)}` as Digest);
  assert.throws(
    () => checkEmptyFile('empty', digestOf('sha256', Buffer.from('x'))),
    (error) => hasCode(error, 'digest_mismatch'),
  );
});
