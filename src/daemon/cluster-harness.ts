// Hosts for tests: real sessions, links and a real scheduler, over stores and hubs in memory.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import {
  type Clock,
  createIdentity,
  createManifest,
  type Digest,
  type Logger,
  type PeerRole,
  type StoredSnapshot,
  silentLogger,
} from '../core/index.ts';
import { createLocalIntakes } from '../dataplane/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import {
  connectScheduler,
  type SchedulerServer,
  type SchedulerServerOptions,
  startScheduler,
} from '../scheduler-server/index.ts';
import type { SwarmLimits } from '../swarm/index.ts';
import { steadyClock } from '../system/index.ts';
import { FakeSource } from '../testing/fake-source/index.ts';
import { MemoryBlobStore } from '../testing/memory-store/index.ts';
import { ByteRate } from '../transport/index.ts';
import { COMPLAINT_METHOD, Complaints } from './complaints.ts';
import { HeldBlobs } from './held-blobs.ts';
import { Lender } from './lender.ts';
import { OriginBudget } from './origin-budget.ts';
import { PeerLinks } from './peer-links.ts';
import { Repairs } from './repairs.ts';
import { Sessions } from './sessions.ts';
import { Slots } from './slots.ts';
import { Turns } from './turns.ts';
import { Uploads } from './uploads.ts';

export interface Repository {
  readonly source: FakeSource;
  readonly snapshot: StoredSnapshot;
}

export function repositoryOf(
  files: Readonly<Record<string, Buffer>>,
  changes: Partial<StoredSnapshot['ref']> = {},
): Repository {
  const source = new FakeSource(files);
  const manifest = createManifest(source.listed());
  return { source, snapshot: { id: manifest.id, ref: { ...source.pinned(), ...changes }, manifest } };
}

/** `port` is one that it had before. */
export async function startTestScheduler(
  context: TestContext,
  port = 0,
  limits: SchedulerServerOptions['limits'] = {},
  logger: Logger = silentLogger,
): Promise<SchedulerServer> {
  const server = await startScheduler({
    host: '127.0.0.1',
    port,
    identity: createIdentity(),
    logger,
    clock: steadyClock,
    limits: { startSettleMs: 0, restartSettleMs: 0, ...limits },
  });
  context.after(() => server.stop());
  return server;
}

export interface HostOptions {
  readonly role?: PeerRole;
  readonly clock?: Clock;
  readonly limits?: Partial<SwarmLimits>;
  readonly repositories: readonly Repository[];
}

export type TestHost = Awaited<ReturnType<typeof startHost>>;

/** A host that attends the scheduler, knows these repositories, and holds nothing. */
export async function startHost(
  context: TestContext,
  schedulerUrl: string,
  { role = 'peer', clock = steadyClock, limits = {}, repositories }: HostOptions,
) {
  const identity = createIdentity();
  const { hash, createHasher } = await loadPieceHash();
  const store = new MemoryBlobStore();
  const common = { identity, clock, random: Math.random, logger: silentLogger };
  const late: { sessions?: Sessions; lender?: Lender; complaints?: Complaints } = {};
  const links = new PeerLinks({
    ...common,
    ownerOf: async (id) => (await late.sessions?.serve(id))?.exchange ?? late.lender?.ownerOf(id),
    call: async (method, body) => {
      assert.equal(method, COMPLAINT_METHOD);
      return (await late.complaints?.answer(body)) ?? new Uint8Array();
    },
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
  const uploads = new Uploads(silentLogger, clock);
  const turns = new Turns<Digest>();
  const borrowSlots = new Slots(16);
  const held = new HeldBlobs({
    mayLend: true,
    store,
    hubEndpoints: {},
    tell: (statement) => scheduler.tell(statement),
  });
  const lender = new Lender({
    ...common,
    store,
    hash,
    uploads,
    blobOf: (key) => held.blobOf(key),
    closeChannel: (channel) => links.closeChannel(channel),
    look: (open, index) => repairs.look(open, index),
    onDamage: async () => undefined,
  });
  const sessions = new Sessions({
    deps: ({ id: of }) => ({
      ...common,
      self,
      store,
      source: sources.get(of) ?? assert.fail(),
      links,
      scheduler,
      hash,
      intakeOf: createLocalIntakes(createHasher),
      uploads,
      limits,
      pace: async () => undefined,
      budget: new OriginBudget(steadyClock),
      invite: async () => undefined,
      borrowSlots,
      turns,
      onPiece: (digest, index, by) => sessions.noteStored(digest, index, by),
      onShareable: () => undefined,
      onDamage: (digest) => repairs.changed(digest),
    }),
    keepServing: true,
    stored: (of) => store.snapshot(of),
    logger: silentLogger,
  });
  const repairs = new Repairs({ ...common, store, sessions, hash });
  const complaints = new Complaints({
    suspect: (key, piece) => lender.suspect(key, piece),
    nowMs: () => steadyClock.now(),
  });
  Object.assign(late, { sessions, lender, complaints });
  scheduler.onMessage((message) => {
    if (message.kind !== 'originShare') sessions.onScheduler(message);
    if (message.kind === 'connected') held.tellAll();
  });
  await scheduler.start();
  const stop = async (): Promise<void> => {
    held.stop();
    await sessions.stop();
    await lender.stop();
    await scheduler.stop();
    await links.stop();
  };
  context.after(stop);
  for (const { snapshot } of repositories) {
    await store.putSnapshot(snapshot, snapshot.id);
    held.learn(snapshot);
  }

  /** Delivers a snapshot to this host's store. */
  const fetch = async ({ snapshot }: Repository): Promise<void> => {
    const use = await sessions.use(snapshot, {});
    try {
      await Promise.all(snapshot.manifest.files.map(({ digest }) => use.session.waitFor(digest)));
    } finally {
      await use.release();
    }
  };

  /** Tells the scheduler what the store holds, and waits until it has heard it. */
  const tellBlobs = async (): Promise<void> => {
    const signal = AbortSignal.timeout(10_000);
    // What is said before there is a connection is lost; a question waits for one.
    await scheduler.findBlobs([], signal);
    held.tellAll();
    await scheduler.findBlobs([], signal);
  };

  const bytesOf = async (digest: Digest): Promise<Buffer> => {
    const found = (await store.find(digest)) ?? assert.fail(`${digest} is not complete`);
    const open = await store.open(found);
    const bytes = Buffer.alloc(found.sizeBytes);
    for (let index = 0, at = 0; at < bytes.length; index += 1, at += found.pieceLengthBytes) {
      await open.read(index, 0, bytes.subarray(at, Math.min(bytes.length, at + found.pieceLengthBytes)));
    }
    await open.close();
    return bytes;
  };
  return {
    identity,
    store,
    links,
    lender,
    held,
    sessions,
    scheduler,
    uploads,
    fetch,
    tellBlobs,
    bytesOf,
    stop,
  };
}
