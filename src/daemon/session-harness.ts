// A host on its own for tests: real sessions over a store in memory, its own scheduler, and a hub in memory.

import type { TestContext } from 'node:test';
import {
  createIdentity,
  createManifest,
  type Identity,
  type PeerInfo,
  type StoredSnapshot,
  silentLogger,
} from '../core/index.ts';
import { createLocalIntakes } from '../dataplane/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import { createLocalScheduler } from '../scheduler-server/index.ts';
import { systemClock } from '../system/index.ts';
import { FakeSource } from '../testing/fake-source/index.ts';
import { MemoryBlobStore } from '../testing/memory-store/index.ts';
import { createTestHasher, testPieceHash } from '../testing/store-conformance/index.ts';
import { ByteRate } from '../transport/index.ts';
import { OriginBudget } from './origin-budget.ts';
import { PeerLinks } from './peer-links.ts';
import { Sessions } from './sessions.ts';
import { Slots } from './slots.ts';
import { Turns } from './turns.ts';
import { Uploads } from './uploads.ts';

function infoOf({ id, publicKey }: Identity): PeerInfo {
  return { id, publicKey, host: '', port: 0, role: 'peer', zone: '', hostname: 'h', version: 't' };
}

export async function hostOf(
  context: TestContext,
  keepServing: boolean,
  files: Readonly<Record<string, Buffer>>,
) {
  const identity = createIdentity();
  const [store, source, logger] = [new MemoryBlobStore(), new FakeSource(files), silentLogger];
  const links = new PeerLinks({
    identity,
    logger,
    ownerOf: async () => undefined,
    call: async () => new Uint8Array(),
    onPeerGone: () => undefined,
    workers: 0,
    createHasher: (await loadPieceHash()).createHasher,
    uploadRate: new ByteRate(),
    downloadRate: new ByteRate(),
  });
  const common = { identity, clock: systemClock, random: Math.random };
  const scheduler = createLocalScheduler({ ...common, self: infoOf(identity), tickMs: 20 });
  const sessions = new Sessions({
    deps: () => ({
      ...common,
      self: infoOf(identity),
      store,
      source,
      logger,
      links,
      scheduler,
      hash: testPieceHash,
      intakeOf: createLocalIntakes(createTestHasher),
      uploads: new Uploads(logger, systemClock),
      limits: {},
      pace: async () => undefined,
      budget: new OriginBudget(systemClock),
      invite: async () => undefined,
      borrowSlots: new Slots(16),
      turns: new Turns(),
      onPiece: () => undefined,
      onShareable: () => undefined,
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
