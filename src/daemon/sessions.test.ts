import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  AnaxError,
  createIdentity,
  createManifest,
  hasCode,
  type Identity,
  type PeerInfo,
  Secret,
  type StoredSnapshot,
  silentLogger,
} from '../core/index.ts';
import { createLocalScheduler } from '../scheduler-server/index.ts';
import { systemClock } from '../system/index.ts';
import { FakeSource } from '../testing/fake-source/index.ts';
import { MemoryBlobStore } from '../testing/memory-store/index.ts';
import { testPieceHash } from '../testing/store-conformance/index.ts';
import { PeerLinks } from './peer-links.ts';
import { Sessions } from './sessions.ts';
import { Uploads } from './uploads.ts';

const FILES = { 'a.bin': Buffer.alloc(100, 1), 'b.bin': Buffer.alloc(200, 2) };

function infoOf({ id, publicKey }: Identity): PeerInfo {
  return { id, publicKey, host: '', port: 0, role: 'peer', zone: '', hostname: 'h', version: 't' };
}

/** A host on its own: real sessions over a store in memory, its own scheduler, and a hub in memory. */
async function hostOf(context: TestContext, keepServing: boolean) {
  const identity = createIdentity();
  const [store, source, logger] = [new MemoryBlobStore(), new FakeSource(FILES), silentLogger];
  const links = new PeerLinks({
    identity,
    logger,
    ownerOf: async () => undefined,
    call: async () => new Uint8Array(),
    onPeerGone: () => undefined,
    nowMs: () => Date.now(),
  });
  const common = { identity, clock: systemClock, random: Math.random };
  const scheduler = createLocalScheduler({ ...common, self: infoOf(identity), tickMs: 20 });
  const sessions = new Sessions({
    deps: () => ({
      ...common,
      store,
      source,
      logger,
      links,
      scheduler,
      hash: testPieceHash,
      uploads: new Uploads(logger),
      limits: {},
      pace: async () => undefined,
      invite: async () => undefined,
      onDamage: async () => undefined,
    }),
    keepServing,
    stored: (id) => store.snapshot(id),
    logger,
  });
  scheduler.onMessage((message) => sessions.onScheduler(message));
  await scheduler.start();
  context.after(async () => {
    await sessions.stop();
    await scheduler.stop();
    await links.stop();
  });
  const manifest = createManifest(source.listed());
  const snapshot: StoredSnapshot = { id: manifest.id, ref: source.pinned(), manifest };
  await store.putSnapshot(snapshot, 'key');
  return { sessions, store, source, snapshot };
}

type Host = Awaited<ReturnType<typeof hostOf>>;

async function fetchAll({ sessions, snapshot }: Host) {
  const use = await sessions.use(snapshot, {});
  await Promise.all(snapshot.manifest.files.map(({ digest }) => use.session.waitFor(digest)));
  return use;
}

function digestAt({ snapshot }: Host, at: number) {
  const file = snapshot.manifest.files[at];
  assert.ok(file);
  return file.digest;
}

test('a use gets what the snapshot has, and what it moved is still counted after its end', async (context) => {
  const host = await hostOf(context, false);
  const use = await fetchAll(host);
  assert.equal(host.store.list().filter(({ state }) => state === 'complete').length, 2);
  assert.deepEqual(host.sessions.totals(), { fromPeers: 0, fromOrigin: 300 });
  await use.release();
  assert.deepEqual([...host.sessions.all()], []);
  assert.deepEqual(host.sessions.totals(), { fromPeers: 0, fromOrigin: 300 });
});

test('downloads of one snapshot share a session, which ends with the last of them', async (context) => {
  const host = await hostOf(context, false);
  const [one, two] = await Promise.all([fetchAll(host), fetchAll(host)]);
  assert.equal(one.session, two.session);
  assert.equal(host.source.ranges.length, 2);
  await one.release();
  await one.release();
  assert.equal([...host.sessions.all()].length, 1);
  await two.release();
  assert.deepEqual([...host.sessions.all()], []);
});

test('a host that serves others keeps the session, until it is told to let go of the blobs', async (context) => {
  const host = await hostOf(context, true);
  const use = await fetchAll(host);
  await host.sessions.endIdle(new Set([digestAt(host, 0)]));
  assert.equal([...host.sessions.all()].length, 1, 'in use');
  await use.release();
  assert.equal([...host.sessions.all()].length, 1);
  await host.sessions.endIdle(new Set());
  assert.equal([...host.sessions.all()].length, 1);
  await host.sessions.endIdle(new Set([digestAt(host, 0)]));
  assert.deepEqual([...host.sessions.all()], []);
});

test('who asks for a snapshot that is known here wakes a session; for another there is none', async (context) => {
  const host = await hostOf(context, true);
  const session = await host.sessions.serve(host.snapshot.id);
  assert.equal(session?.snapshot.id, host.snapshot.id);
  assert.equal(await host.sessions.serve('ff'.repeat(32) as typeof host.snapshot.id), undefined);
  const command = await hostOf(context, false);
  assert.equal(await command.sessions.serve(command.snapshot.id), undefined);
});

test('after a file failed and all else is done, the next use begins anew', async (context) => {
  const host = await hostOf(context, true);
  host.source.stream = (bytes) => [bytes.length === 100 ? Buffer.alloc(100, 9) : bytes];
  const use = await host.sessions.use(host.snapshot, {});
  await assert.rejects(use.session.waitFor(digestAt(host, 0)), (error) => hasCode(error, 'digest_mismatch'));
  await use.session.waitFor(digestAt(host, 1));
  await use.release();
  host.source.stream = (bytes) => [bytes];
  const again = await fetchAll(host);
  assert.notEqual(again.session, use.session);
});

test('a use that begins while another file is under way does not take it from the first', async (context) => {
  const host = await hostOf(context, true);
  const gate = Promise.withResolvers<void>();
  const get = host.source.get.bind(host.source);
  host.source.get = async function* (ref, file, range, sourceContext) {
    if (file.sizeBytes === 200) await gate.promise;
    else throw new AnaxError('file_not_found', file.path);
    yield* get(ref, file, range, sourceContext);
  };
  const first = await host.sessions.use(host.snapshot, {});
  await assert.rejects(first.session.waitFor(digestAt(host, 0)), (error) => hasCode(error, 'file_not_found'));
  const second = await host.sessions.use(host.snapshot, {});
  assert.equal(second.session, first.session);
  gate.resolve();
  await first.session.waitFor(digestAt(host, 1));
  await first.release();
  await second.release();
});

test("a session that could not begin is in nobody's way", async (context) => {
  const host = await hostOf(context, true);
  const open = host.store.open.bind(host.store);
  host.store.open = async () => {
    throw new AnaxError('disk_full');
  };
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await assert.rejects(host.sessions.use(host.snapshot, {}), (error) => hasCode(error, 'disk_full'));
  }
  host.store.open = open;
  await fetchAll(host);
});

test('a blob that was lost from the store is fetched again by the next use', async (context) => {
  const host = await hostOf(context, true);
  await (await fetchAll(host)).release();
  const { digest, sizeBytes, pieceLengthBytes } = host.snapshot.manifest.files[0] ?? assert.fail();
  const open = await host.store.open({ digest, sizeBytes, pieceLengthBytes });
  await open.drop([0]);
  await open.close();
  await fetchAll(host);
  assert.equal((await host.store.find(digest))?.state, 'complete');
  assert.deepEqual(host.sessions.totals(), { fromPeers: 0, fromOrigin: 400 });
});

test('with several callers the one whose credentials the hub takes reads for all', async (context) => {
  const host = await hostOf(context, true);
  const tried: (string | undefined)[] = [];
  const gate = Promise.withResolvers<void>();
  const get = host.source.get.bind(host.source);
  host.source.get = async function* (ref, file, range, sourceContext) {
    await gate.promise;
    const token = sourceContext.credentials.token?.reveal();
    tried.push(token);
    if (token !== 'good') throw new AnaxError('access_denied', file.path);
    yield* get(ref, file, range, sourceContext);
  };
  const good = await host.sessions.use(host.snapshot, { token: new Secret('good') });
  await host.sessions.use(host.snapshot, { token: new Secret('bad') });
  gate.resolve();
  await good.session.waitFor(digestAt(host, 0));
  await good.session.waitFor(digestAt(host, 1));
  assert.ok(tried.includes('good'));
});

test('when the host stops its sessions end, those in use as well', async (context) => {
  const host = await hostOf(context, true);
  const { session } = await fetchAll(host);
  await host.sessions.stop();
  assert.equal(session.isOpen, false);
  assert.deepEqual([...host.sessions.all()], []);
});
