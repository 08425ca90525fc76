// A reader takes blobs from hosts that hold them by way of another snapshot: over real links, with a real scheduler.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  Bitfield,
  blobKey,
  type Digest,
  digestOf,
  MiB,
  type PieceHash,
  seededRandom,
  signPiece,
} from '../core/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import type { SchedulerServer } from '../scheduler-server/index.ts';
import { steadyClock } from '../system/index.ts';
import {
  type Repository,
  repositoryOf,
  startHost,
  startTestScheduler,
  type TestHost,
} from './cluster-harness.ts';

const PIECES = 6;
const SHARED_BYTES = (PIECES - 1) * MiB + 12_345;

function noise(sizeBytes: number, seed: number): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, () => random() * 256));
}

const shared = noise(SHARED_BYTES, 1);
const digest = digestOf('sha256', shared);
const first = (): Repository => repositoryOf({ 'first/model.bin': shared });
const second = (changes = {}): Repository =>
  repositoryOf({ 'second.bin': shared, 'own.bin': noise(MiB, 2) }, changes);

interface Hosts {
  readonly repositories: { readonly first: Repository; readonly second: Repository };
  readonly server: SchedulerServer;
  readonly url: string;
  readonly holder: TestHost;
  readonly reader: TestHost;
}

/** One host has the first repository, and said so; another is about to deliver the second. */
async function hosts(context: TestContext, { own = first(), other = second() } = {}): Promise<Hosts> {
  const server = await startTestScheduler(context);
  const { url } = server;
  const holder = await startHost(context, url, { repositories: [own] });
  const reader = await startHost(context, url, { repositories: [other] });
  await holder.fetch(own);
  await holder.tellBlobs();
  return { repositories: { first: own, second: other }, server, url, holder, reader };
}

function readBytes({ source }: Repository, path: string): number {
  const size = source.files[path]?.length ?? 0;
  // What one file has no range of another can be told by: all begin at 0 and are read to the end of the file.
  return source.ranges
    .filter(({ end }) => end === size)
    .reduce((sum, { start, end }) => sum + end - start, 0);
}

/** The same content in a longer cut. */
function recut({ source, snapshot }: Repository, pieceLengthBytes: number): Repository {
  const files = snapshot.manifest.files.map((file) => ({ ...file, pieceLengthBytes }));
  return { source, snapshot: { ...snapshot, manifest: { ...snapshot.manifest, files } } };
}

async function assertHas(host: TestHost, name: Digest = digest): Promise<void> {
  assert.equal(Buffer.compare(await host.bytesOf(name), shared), 0);
}

test('the origin is not asked for a blob that another host has by way of another snapshot', async (context) => {
  const { reader, repositories } = await hosts(context);
  await reader.fetch(repositories.second);
  await assertHas(reader);
  assert.equal(readBytes(repositories.second, 'second.bin'), 0);
  assert.deepEqual(reader.sessions.totals(), { fromPeers: SHARED_BYTES, fromOrigin: MiB });
});

test('the other members get it from the reader', async (context) => {
  const { reader, repositories, url } = await hosts(context);
  const member = await startHost(context, url, { repositories: [repositories.second] });
  await Promise.all([reader.fetch(repositories.second), member.fetch(repositories.second)]);
  await Promise.all([assertHas(reader), assertHas(member)]);
  assert.equal(readBytes(repositories.second, 'second.bin'), 0);
});

test('several readers of one snapshot each borrow the whole, and wait for nobody', async (context) => {
  const { url } = await startTestScheduler(context, 0, { minSharedBytes: MiB });
  const [own, other] = [first(), second()];
  const holder = await startHost(context, url, { repositories: [own] });
  await holder.fetch(own);
  await holder.tellBlobs();
  const role = 'seed';
  const seeds = [
    await startHost(context, url, { role, repositories: [other] }),
    await startHost(context, url, { role, repositories: [other] }),
  ];
  const peer = await startHost(context, url, { repositories: [other] });
  const all = [...seeds, peer];
  await Promise.all(all.map((host) => host.fetch(other)));
  await Promise.all(all.map((host) => assertHas(host)));
  assert.equal(readBytes(other, 'second.bin'), 0);
});

for (const pieceLengthBytes of [2 * MiB, 4 * MiB, 16 * MiB]) {
  test(`a blob is borrowed in another cut: pieces of ${pieceLengthBytes / MiB} MiB`, async (context) => {
    const { reader, repositories } = await hosts(context, { other: recut(second(), pieceLengthBytes) });
    await reader.fetch(repositories.second);
    await assertHas(reader);
    assert.equal(readBytes(repositories.second, 'second.bin'), 0);
  });
}

test('a cut that is shorter than the stored one is lent, too', async (context) => {
  const { reader, repositories } = await hosts(context, { own: recut(first(), 4 * MiB) });
  await reader.fetch(repositories.second);
  await assertHas(reader);
  assert.equal(readBytes(repositories.second, 'second.bin'), 0);
});

/** A host that calls something else a complete blob. */
async function fillWith({ store, identity }: TestHost, bytes: Buffer, hash: PieceHash): Promise<void> {
  const spec = { digest, sizeBytes: SHARED_BYTES, pieceLengthBytes: MiB };
  const open = await store.open(spec);
  for (const index of new Bitfield(PIECES).missing()) {
    const piece = bytes.subarray(index * MiB, (index + 1) * MiB);
    await open.write(index, piece, signPiece(identity, spec, index, hash(piece)));
  }
  await open.commit([]);
  await open.close();
}

test('what a holder lies about is dropped and read from the origin; nobody else has got any of it', async (context) => {
  const { url } = await startTestScheduler(context);
  const [own, other] = [first(), second()];
  const liar = await startHost(context, url, { repositories: [own] });
  await fillWith(liar, Buffer.alloc(SHARED_BYTES, 'a lie'), (await loadPieceHash()).hash);
  await liar.tellBlobs();
  const reader = await startHost(context, url, { repositories: [other] });
  const member = await startHost(context, url, { repositories: [other] });
  await Promise.all([reader.fetch(other), member.fetch(other)]);
  await Promise.all([assertHas(reader), assertHas(member)]);
  assert.equal(liar.uploads.bytesSent, SHARED_BYTES);
  const fromPeers = reader.sessions.totals().fromPeers + member.sessions.totals().fromPeers;
  assert.equal(fromPeers, 2 * SHARED_BYTES + MiB, 'the lie once, the truth and the other file once');
  assert.equal(readBytes(other, 'second.bin'), SHARED_BYTES);
});

test('a holder whose disk has rotted is found out at the first piece, and drops what it finds wrong', async (context) => {
  const { url } = await startTestScheduler(context);
  const [own, other] = [first(), second()];
  const rotten = await startHost(context, url, { repositories: [own] });
  await fillWith(rotten, shared, () => new Uint8Array(32));
  await rotten.tellBlobs();
  const reader = await startHost(context, url, { repositories: [other] });
  await reader.fetch(other);
  await assertHas(reader);
  assert.equal(readBytes(other, 'second.bin'), SHARED_BYTES);
  assert.equal(reader.sessions.totals().fromPeers, 0);
  assert.equal(await rotten.store.find(digest), undefined, 'it has the blob no more');
});

test('where the holder is gone in the middle, the origin is read for what is missing', async (context) => {
  const { holder, reader, repositories } = await hosts(context);
  const done = reader.fetch(repositories.second);
  while (reader.sessions.totals().fromPeers < 2 * MiB) await new Promise(setImmediate);
  await Promise.all([done, holder.stop()]);
  await assertHas(reader);
  const fromOrigin = readBytes(repositories.second, 'second.bin');
  assert.ok(fromOrigin <= SHARED_BYTES - 2 * MiB, `${fromOrigin} bytes were read again`);
});

test('where the blob is removed in the middle, the origin is read for what is missing', async (context) => {
  const { holder, reader, repositories } = await hosts(context);
  const done = reader.fetch(repositories.second);
  while (reader.sessions.totals().fromPeers < MiB) await new Promise(setImmediate);
  await holder.lender.end(new Set([digest]));
  await done;
  await assertHas(reader);
  assert.ok(readBytes(repositories.second, 'second.bin') <= SHARED_BYTES - MiB);
});

test('of several holders one that refuses is passed over', async (context) => {
  const { holder, reader, repositories, url } = await hosts(context);
  const forgetful = await startHost(context, url, { repositories: [repositories.first] });
  await fillWith(forgetful, shared, (await loadPieceHash()).hash);
  await forgetful.tellBlobs();
  await forgetful.store.remove(digest);
  await reader.fetch(repositories.second);
  await assertHas(reader);
  assert.equal(readBytes(repositories.second, 'second.bin'), 0);
  assert.ok(holder.uploads.bytesSent >= SHARED_BYTES);
});

test('a blob that one hub lists is not lent for what another server lists', async (context) => {
  const other = second({ endpoint: 'https://elsewhere.example' });
  const { reader, repositories, holder } = await hosts(context, { other });
  await reader.fetch(repositories.second);
  assert.equal(readBytes(repositories.second, 'second.bin'), SHARED_BYTES);
  assert.equal(holder.uploads.bytesSent, 0);
  assert.equal(holder.lender.ownerOf(blobKey(digest, { hub: 'elsewhere.example' })), undefined);
  assert.equal(holder.lender.ownerOf(blobKey(digest, 'public')), undefined);
});

test('a scheduler that was started again is told anew who holds what', async (context) => {
  const { server, holder, reader, repositories } = await hosts(context);
  await server.stop();
  await startTestScheduler(context, Number(new URL(server.url).port));
  await holder.tellBlobs();
  await reader.fetch(repositories.second);
  await assertHas(reader);
  assert.equal(readBytes(repositories.second, 'second.bin'), 0);
});

test('two snapshots that one host delivers at once share what they have in common', async (context) => {
  const { url } = await startTestScheduler(context);
  const [own, other] = [first(), second()];
  const host = await startHost(context, url, { repositories: [own, other] });
  await Promise.all([host.fetch(own), host.fetch(other)]);
  await assertHas(host);
  assert.equal(readBytes(own, 'first/model.bin') + readBytes(other, 'second.bin'), SHARED_BYTES);
});

/** A hub that waits before it gives a file, and tells when it was asked for it. */
function waitsFor({ source }: Repository, path: string) {
  const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const get = source.get.bind(source);
  source.get = async (...args) => {
    if (args[1].path === path) {
      asked.resolve();
      await gate.promise;
    }
    return await get(...args);
  };
  return { asked: asked.promise, open: () => gate.resolve() };
}

test('a blob whose turn comes late is looked for again', async (context) => {
  const { url } = await startTestScheduler(context);
  const [own, other] = [first(), repositoryOf({ 'a-own.bin': noise(MiB, 2), 'second.bin': shared })];
  const time = { aheadMs: 0 };
  const clock = { ...steadyClock, now: () => steadyClock.now() + time.aheadMs };
  const reader = await startHost(context, url, { repositories: [other], clock, limits: { originReads: 1 } });
  const holder = await startHost(context, url, { repositories: [own] });
  const hub = waitsFor(other, 'a-own.bin');
  const done = reader.fetch(other);
  await hub.asked;
  await holder.fetch(own);
  await holder.tellBlobs();
  time.aheadMs = 15_000;
  hub.open();
  await done;
  await assertHas(reader);
  assert.equal(readBytes(other, 'second.bin'), 0);
});
