// A hundred snapshots at once between two hosts, over real links, with a real scheduler: one link, a hundred swarms.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  createIdentity,
  createManifest,
  KiB,
  type PeerRole,
  type StoredSnapshot,
  silentLogger,
} from '../core/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import { connectScheduler, startScheduler } from '../scheduler-server/index.ts';
import { steadyClock } from '../system/index.ts';
import { FakeSource } from '../testing/fake-source/index.ts';
import { MemoryBlobStore } from '../testing/memory-store/index.ts';
import { ByteRate } from '../transport/index.ts';
import { OriginBudget } from './origin-budget.ts';
import { PeerLinks } from './peer-links.ts';
import { Sessions } from './sessions.ts';
import { Uploads } from './uploads.ts';

const SNAPSHOTS = 100;
/** Too large for a pack. */
const FILE_BYTES = 300 * KiB;

interface Repository {
  readonly source: FakeSource;
  readonly snapshot: StoredSnapshot;
}

function createRepository(at: number): Repository {
  const source = new FakeSource({ 'model.bin': Buffer.alloc(FILE_BYTES, `repository ${at} `) });
  const manifest = createManifest(source.listed());
  return { source, snapshot: { id: manifest.id, ref: source.pinned(), manifest } };
}

async function startHost(
  context: TestContext,
  role: PeerRole,
  schedulerUrl: string,
  repositories: Repository[],
) {
  const identity = createIdentity();
  const { hash, createHasher } = await loadPieceHash();
  const store = new MemoryBlobStore();
  const common = { identity, clock: steadyClock, random: Math.random, logger: silentLogger };
  const late: { sessions?: Sessions } = {};
  const links = new PeerLinks({
    ...common,
    ownerOf: async (id) => (await late.sessions?.serve(id))?.exchange,
    call: async () => new Uint8Array(),
    onPeerGone: () => undefined,
    workers: 0,
    createHasher,
    uploadRate: new ByteRate(),
    downloadRate: new ByteRate(),
  });
  const port = await links.listen('127.0.0.1', 0);
  const { id, publicKey } = identity;
  const self = { id, publicKey, host: '127.0.0.1', port, role, zone: '', hostname: role, version: 't' };
  const rejoin = () => late.sessions?.joinFacts() ?? [];
  const scheduler = connectScheduler({ ...common, url: schedulerUrl, self, rejoin });
  const sources = new Map(repositories.map(({ source, snapshot }) => [snapshot.id, source]));
  const uploads = new Uploads(silentLogger);
  const sessions = new Sessions({
    deps: ({ id: of }) => ({
      ...common,
      self,
      store,
      source: sources.get(of) ?? assert.fail(),
      links,
      scheduler,
      hash,
      uploads,
      limits: {},
      pace: async () => undefined,
      budget: new OriginBudget(steadyClock),
      invite: async () => undefined,
      onDamage: async () => undefined,
    }),
    keepServing: true,
    stored: (of) => store.snapshot(of),
    logger: silentLogger,
  });
  late.sessions = sessions;
  scheduler.onMessage((message) => {
    if (message.kind !== 'originShare') sessions.onScheduler(message);
  });
  await scheduler.start();
  context.after(async () => {
    await sessions.stop();
    await scheduler.stop();
    await links.stop();
  });
  for (const { snapshot } of repositories) await store.putSnapshot(snapshot, snapshot.id);
  return sessions;
}

test('a hundred snapshots at once: one host reads each once, the other gets all from it', async (context) => {
  const server = await startScheduler({
    host: '127.0.0.1',
    port: 0,
    identity: createIdentity(),
    logger: silentLogger,
    clock: steadyClock,
    limits: { startSettleMs: 0, restartSettleMs: 0 },
  });
  context.after(() => server.stop());
  const repositories = Array.from({ length: SNAPSHOTS }, (_, at) => createRepository(at));
  const seed = await startHost(context, 'seed', server.url, repositories);
  const peer = await startHost(context, 'peer', server.url, repositories);
  const fetchAll = async (sessions: Sessions): Promise<void> => {
    const uses = await Promise.all(
      repositories.map(async ({ snapshot }) => {
        const use = await sessions.use(snapshot, {});
        await Promise.all(snapshot.manifest.files.map(({ digest }) => use.session.waitFor(digest)));
        return use;
      }),
    );
    await Promise.all(uses.map((use) => use.release()));
  };
  await fetchAll(seed);
  await fetchAll(peer);
  assert.deepEqual(seed.totals(), { fromPeers: 0, fromOrigin: SNAPSHOTS * FILE_BYTES });
  assert.deepEqual(peer.totals(), { fromPeers: SNAPSHOTS * FILE_BYTES, fromOrigin: 0 });
  assert.deepEqual(
    repositories.map(({ source }) => source.ranges.length),
    repositories.map(() => 1),
  );
});
