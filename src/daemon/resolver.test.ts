import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  AnaxError,
  createIdentity,
  hasCode,
  type Identity,
  type OriginRef,
  type PeerInfo,
  Secret,
  type StoredSnapshot,
  silentLogger,
} from '../core/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import type { SchedulerLink } from '../scheduler-server/index.ts';
import { FAKE_COMMIT, FAKE_REF, FakeSource } from '../testing/fake-source/index.ts';
import { MemoryBlobStore, putBlob } from '../testing/memory-store/index.ts';
import { createFakeClock } from '../testing/source-conformance/fake-clock.ts';
import { ByteRate } from '../transport/index.ts';
import { PeerLinks } from './peer-links.ts';
import { type ResolveRequest, Resolver } from './resolver.ts';

const FILES = { 'a.bin': Buffer.from('A'), 'sub/b.txt': Buffer.from('B') };

interface Host {
  readonly resolver: Resolver;
  readonly source: FakeSource;
  readonly store: MemoryBlobStore;
  readonly clock: ReturnType<typeof createFakeClock>;
  readonly info: PeerInfo;
  readonly links: PeerLinks;
  /** Snapshots that it resolved for others. */
  readonly took: StoredSnapshot[];
  /** Which of them are read in order. */
  readonly inOrder: boolean[];
  /** Whom its scheduler names, and how often it was asked. */
  located: PeerInfo;
  locates: number;
}

function infoOf({ id, publicKey }: Identity, port: number): PeerInfo {
  const host = '127.0.0.1';
  return { id, publicKey, host, port, role: 'peer', zone: '', hostname: 'h', version: 't' };
}

async function hostOf(
  context: TestContext,
  mayResolve: (ref: OriginRef) => boolean = () => true,
): Promise<Host> {
  const identity = createIdentity();
  const late: { resolver?: Resolver } = {};
  const links = new PeerLinks({
    identity,
    logger: silentLogger,
    ownerOf: async () => undefined,
    call: async (...call) => {
      assert.ok(late.resolver);
      return late.resolver.answer(...call);
    },
    onPeerGone: () => undefined,
    workers: 0,
    createHasher: (await loadPieceHash()).createHasher,
    uploadRate: new ByteRate(),
    downloadRate: new ByteRate(),
  });
  const info = infoOf(identity, await links.listen('127.0.0.1', 0));
  const stopping = new AbortController();
  context.after(async () => {
    stopping.abort();
    await links.stop();
  });
  const [source, store, clock] = [new FakeSource(FILES), new MemoryBlobStore(), createFakeClock()];
  const took: StoredSnapshot[] = [];
  const inOrders: boolean[] = [];
  const scheduler = {
    locate: async () => {
      host.locates += 1;
      return host.located;
    },
  } as unknown as SchedulerLink;
  const resolver = new Resolver({
    self: identity.id,
    store,
    scheduler,
    links,
    source: () => source,
    clock,
    logger: silentLogger,
    signal: stopping.signal,
    mayResolveForOthers: mayResolve,
    onResolvedForOther: async (snapshot, _credentials, inOrder) => {
      took.push(snapshot);
      inOrders.push(inOrder);
    },
  });
  late.resolver = resolver;
  const facts = { resolver, source, store, clock, info, links, took, inOrder: inOrders };
  const host: Host = { ...facts, located: info, locates: 0 };
  return host;
}

function request(token?: string, changes: Partial<ResolveRequest> = {}): ResolveRequest {
  const credentials = token === undefined ? {} : { token: new Secret(token) };
  return { ref: FAKE_REF, include: [], exclude: [], credentials, ...changes };
}

const live = (): AbortSignal => new AbortController().signal;

test('many who ask at once cost one resolve and one listing, and get the same', async (context) => {
  const { resolver, source } = await hostOf(context);
  const gate = Promise.withResolvers<void>();
  source.gate = gate.promise;
  const all = Array.from({ length: 20 }, () => resolver.resolve(request(), live()));
  gate.resolve();
  const ids = new Set((await Promise.all(all)).map(({ id }) => id));
  assert.equal(ids.size, 1);
  assert.deepEqual(source.calls, { resolve: 1, list: 1, authorize: 0 });
});

test('a branch stays where it was found for half a minute, and is looked up again after', async (context) => {
  const { resolver, source, clock } = await hostOf(context);
  await resolver.resolve(request(), live());
  clock.advance(29_000);
  await resolver.resolve(request(), live());
  assert.equal(source.calls.resolve, 1);
  clock.advance(2_000);
  await resolver.resolve(request(), live());
  assert.deepEqual(source.calls, { resolve: 2, list: 1, authorize: 0 });
});

test('one caller who goes does not take it from the others', async (context) => {
  const { resolver, source } = await hostOf(context);
  const gate = Promise.withResolvers<void>();
  source.gate = gate.promise;
  const impatient = new AbortController();
  const one = resolver.resolve(request(), impatient.signal);
  const other = resolver.resolve(request(), live());
  await new Promise(setImmediate);
  impatient.abort(new Error('enough'));
  await assert.rejects(one, /enough/u);
  gate.resolve();
  assert.equal((await other).ref.revision, FAKE_COMMIT);
  assert.equal(source.calls.resolve, 1);
});

test('a failure is not remembered', async (context) => {
  const { resolver, source } = await hostOf(context);
  source.failures.resolve = [new AnaxError('rate_limited')];
  source.failures.list = [new AnaxError('network_timeout')];
  await assert.rejects(resolver.resolve(request(), live()), (error) => hasCode(error, 'rate_limited'));
  await assert.rejects(resolver.resolve(request(), live()), (error) => hasCode(error, 'network_timeout'));
  assert.equal((await resolver.resolve(request(), live())).manifest.files.length, 2);
});

test('a restricted repository asks the hub once for each of the callers, and remembers no refusal', async (context) => {
  const { resolver, source } = await hostOf(context);
  source.restricted = true;
  source.allowed.add('one').add('two');
  for (const token of ['one', 'two', 'one', 'two']) await resolver.resolve(request(token), live());
  assert.equal(source.calls.authorize, 2);
  for (const token of ['three', undefined, 'three']) {
    await assert.rejects(resolver.resolve(request(token), live()), (error) =>
      hasCode(error, 'access_denied'),
    );
  }
  assert.equal(source.calls.authorize, 5);
  source.allowed.add('three');
  await resolver.resolve(request('three'), live());
  assert.equal(source.calls.list, 1);
});

test('filters leave out files, and filters that leave nothing are an error', async (context) => {
  const { resolver } = await hostOf(context);
  const some = await resolver.resolve(request(undefined, { include: ['*.txt'] }), live());
  assert.deepEqual(
    some.manifest.files.map(({ path }) => path),
    ['sub/b.txt'],
  );
  const none = resolver.resolve(request(undefined, { exclude: ['*'] }), live());
  await assert.rejects(none, (error) => hasCode(error, 'nothing_matched'));
});

test('the peer that the scheduler names resolves, takes part, and the caller keeps what it said', async (context) => {
  const [caller, seed] = [await hostOf(context), await hostOf(context)];
  caller.located = seed.info;
  seed.source.restricted = true;
  seed.source.allowed.add('mine');
  const snapshot = await caller.resolver.resolve(request('mine'), live());
  assert.equal(snapshot.ref.revision, FAKE_COMMIT);
  assert.deepEqual(caller.source.calls, { resolve: 0, list: 0, authorize: 0 });
  assert.deepEqual(
    seed.took.map(({ id }) => id),
    [snapshot.id],
  );
  assert.ok(caller.store.snapshot(snapshot.id));
  const refused = caller.resolver.resolve(request('other'), live());
  await assert.rejects(refused, (error) => hasCode(error, 'access_denied'));
});

test('who resolves is told whether the content is read in order', async (context) => {
  const [caller, seed] = [await hostOf(context), await hostOf(context)];
  caller.located = seed.info;
  await caller.resolver.resolve(request(), live());
  await caller.resolver.resolve(request(undefined, { inOrder: true }), live());
  assert.deepEqual(seed.inOrder, [false, true]);
});

test('a commit of which all is here costs nothing; with something missing the resolver takes part', async (context) => {
  const [caller, seed] = [await hostOf(context), await hostOf(context)];
  caller.located = seed.info;
  const pinned = request(undefined, { ref: { ...FAKE_REF, revision: FAKE_COMMIT } });
  const { manifest } = await caller.resolver.resolve(pinned, live());
  await caller.resolver.resolve(pinned, live());
  assert.deepEqual([caller.locates, seed.took.length], [2, 2]);
  for (const { path, digest } of manifest.files) {
    await putBlob(caller.store, { digest, bytes: FILES[path as keyof typeof FILES] });
  }
  await caller.resolver.resolve(pinned, live());
  assert.deepEqual([caller.locates, seed.took.length], [2, 2]);
});

test('where the named peer cannot be reached the host does it itself', async (context) => {
  const [caller, seed] = [await hostOf(context), await hostOf(context)];
  caller.located = seed.info;
  await seed.links.stop();
  assert.equal((await caller.resolver.resolve(request(), live())).ref.revision, FAKE_COMMIT);
  assert.equal(caller.source.calls.resolve, 1);
});

test('a ref that this host may not read for others is refused to them', async (context) => {
  const seed = await hostOf(context, ({ scheme, endpoint }) => {
    return scheme !== 'file' && endpoint === FAKE_REF.endpoint;
  });
  const caller = await hostOf(context);
  caller.located = seed.info;
  for (const change of [{ scheme: 'file' }, { endpoint: 'https://elsewhere.example' }]) {
    const asked = caller.resolver.resolve(request(undefined, { ref: { ...FAKE_REF, ...change } }), live());
    await assert.rejects(asked, (error) => hasCode(error, 'access_denied'));
  }
  assert.deepEqual(seed.source.calls, { resolve: 0, list: 0, authorize: 0 });
});

test('a body of the wrong form and an unknown call are refused', async (context) => {
  const { resolver, info } = await hostOf(context);
  const wrong = ['', 'no json', '[]', '{}', '{"ref":{}}', JSON.stringify({ ref: FAKE_REF, include: 'a' })];
  for (const body of wrong) {
    const answer = resolver.answer('resolve', Buffer.from(body), info.id, live());
    await assert.rejects(answer, (error) => hasCode(error, 'peer_protocol'), body);
  }
  const unsealed = { ref: FAKE_REF, include: [], exclude: [], sealed: 'AAAA' };
  const answer = resolver.answer('resolve', Buffer.from(JSON.stringify(unsealed)), info.id, live());
  await assert.rejects(answer, (error) => hasCode(error, 'peer_protocol'));
  await assert.rejects(resolver.answer('other', new Uint8Array(), info.id, live()), (error) =>
    hasCode(error, 'peer_protocol'),
  );
});
