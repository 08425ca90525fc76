import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock, Digest, OpenBlob } from '../core/index.ts';
import type { VerifyEvent, VerifyRequest } from '../rpc/index.ts';
import { MemoryBlobStore } from '../testing/memory-store/index.ts';
import { store as put, type TestBlob, testBlob, testPieceHash } from '../testing/store-conformance/index.ts';
import type { DamagedBlob, RepairOutcome } from './repairs.ts';
import { verifyCache } from './verify-cache.ts';

const MIB = 1024 * 1024;
const A = testBlob(1, 2.5 * MIB);
const B = testBlob(2, MIB);
const C = testBlob(3, 3 * MIB, 'git-sha1');

const MENDED: RepairOutcome = { ok: true, bytesFromPeers: MIB, bytesFromOrigin: 0 };

/** A and B complete, and two pieces of C; time passes only by sleeping. */
async function cacheToVerify(outcome: () => Promise<RepairOutcome> = async () => MENDED) {
  const store = new MemoryBlobStore();
  await put(store, A);
  await put(store, B);
  const open = await store.open(C.spec);
  await open.write(0, C.piece(0), C.proof(0));
  await open.write(1, C.piece(1), C.proof(1));
  const noted: [Digest, number][] = [];
  const repaired: DamagedBlob[] = [];
  const time = { ms: 0 };
  const clock: Clock = {
    now: () => time.ms,
    sleep: async (ms) => {
      time.ms += ms;
    },
  };
  const repairs = {
    note: (digest: Digest, pieces: number) => void noted.push([digest, pieces]),
    repair: (blob: DamagedBlob) => {
      repaired.push(blob);
      return outcome();
    },
  };
  const run = async (request: VerifyRequest = {}, signal = new AbortController().signal) => {
    const events: VerifyEvent[] = [];
    for await (const event of verifyCache({ store, hash: testPieceHash, clock, repairs }, request, signal)) {
      events.push(event);
    }
    return events;
  };
  return { store, partial: open, noted, repaired, time, run };
}

/** As a disk does: the store believes that it has the piece. */
async function damage(open: OpenBlob, index: number, blob: TestBlob): Promise<void> {
  await open.drop([index]);
  await open.write(index, Buffer.alloc(blob.piece(index).length, 7), blob.proof(index));
}

async function damageComplete(store: MemoryBlobStore, index: number, blob: TestBlob): Promise<void> {
  const open = await store.open(blob.spec);
  await damage(open, index, blob);
  await open.commit([blob.sha256, blob.gitSha1]);
  await open.close();
}

test('all is found good where all is', async () => {
  const cache = await cacheToVerify();
  const events = await cache.run();
  const bytes = 5.5 * MIB;
  assert.deepEqual(events.at(-1), { kind: 'done', blobs: 3, badBlobs: 0, repairedBlobs: 0, bytes });
  assert.ok(events.slice(0, -1).every((event) => event.kind === 'blob' && event.good));
  assert.deepEqual([cache.noted, cache.repaired], [[], []]);
});

test('wrong pieces are dropped and no others, and what was complete is repaired', async () => {
  const cache = await cacheToVerify();
  await damageComplete(cache.store, 1, A);
  const events = await cache.run({ target: { kind: 'digest', digest: A.spec.digest } });
  const { digest, sizeBytes } = A.spec;
  assert.deepEqual(events, [
    { kind: 'blob', digest, sizeBytes, good: false, badPieces: 1 },
    { kind: 'repair', digest, ...MENDED },
    { kind: 'done', blobs: 1, badBlobs: 1, repairedBlobs: 1, bytes: sizeBytes },
  ]);
  const open = await cache.store.open(A.spec);
  assert.deepEqual([...open.held.values()], [0, 2]);
  assert.deepEqual(cache.noted, [[digest, 1]]);
  assert.deepEqual(cache.repaired, [{ digest, names: [digest, A.gitSha1] }]);
});

test('of a partial blob the wrong pieces are dropped, and nobody fetches it who did not before', async () => {
  const cache = await cacheToVerify();
  await damage(cache.partial, 1, C);
  const events = await cache.run();
  assert.deepEqual([...cache.partial.held.values()], [0]);
  const done = { kind: 'done', blobs: 3, badBlobs: 1, repairedBlobs: 0, bytes: 5.5 * MIB };
  assert.deepEqual(events.at(-1), done);
  assert.deepEqual(cache.repaired, []);
  assert.deepEqual(cache.noted, [[C.spec.digest, 1]]);
});

test('a blob that could not be repaired is told with the reason', async () => {
  const error = { code: 'swarm_stalled', message: 'm', hint: '', details: {} } as const;
  const cache = await cacheToVerify(async () => ({ ok: false, error }));
  await damageComplete(cache.store, 0, B);
  const events = await cache.run();
  assert.deepEqual(events.at(-2), { kind: 'repair', digest: B.spec.digest, ok: false, error });
  assert.deepEqual(events.at(-1), {
    kind: 'done',
    blobs: 3,
    badBlobs: 1,
    repairedBlobs: 0,
    bytes: 5.5 * MIB,
  });
});

test('reading keeps to the rate, and progress is told', async () => {
  const cache = await cacheToVerify();
  const events = await cache.run({ bytesPerSecond: MIB });
  assert.ok(cache.time.ms >= 5_000 && cache.time.ms <= 6_000, `${cache.time.ms} ms for 5.5 MiB at 1 MiB/s`);
  const progress = events.filter(({ kind }) => kind === 'progress');
  assert.ok(progress.length >= 2, 'told about once a second');
  for (const event of progress) assert.deepEqual(event, { ...event, totalBlobs: 3, totalBytes: 5.5 * MIB });
});

test('it ends when it is told to', async () => {
  const cache = await cacheToVerify();
  await assert.rejects(cache.run({}, AbortSignal.abort(new Error('enough'))), /enough/u);
});
