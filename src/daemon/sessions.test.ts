import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnaxError, digestOf, hasCode, KiB, Secret } from '../core/index.ts';
import { hostOf } from './session-harness.ts';

/** Too large for a pack. */
const [A_BYTES, B_BYTES] = [300 * KiB, 400 * KiB];
const FILES = { 'a.bin': Buffer.alloc(A_BYTES, 1), 'b.bin': Buffer.alloc(B_BYTES, 2) };

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
  const host = await hostOf(context, false, FILES);
  const use = await fetchAll(host);
  assert.equal(host.store.list().filter(({ state }) => state === 'complete').length, 2);
  assert.deepEqual(host.sessions.totals(), { fromPeers: 0, fromOrigin: A_BYTES + B_BYTES });
  await use.release();
  assert.deepEqual([...host.sessions.all()], []);
  assert.deepEqual(host.sessions.totals(), { fromPeers: 0, fromOrigin: A_BYTES + B_BYTES });
});

test('downloads of one snapshot share a session, which ends with the last of them', async (context) => {
  const host = await hostOf(context, false, FILES);
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
  const host = await hostOf(context, true, FILES);
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

test('for room, a session ends that has no download and neither got nor gave anything for a minute', async (context) => {
  const host = await hostOf(context, true, FILES);
  const use = await fetchAll(host);
  const digest = [...use.session.tasks.values()][0]?.open.spec.digest ?? assert.fail();
  const later = (ms: number): number => Date.now() + ms;
  await host.sessions.endQuiet(digest, later(120_000));
  assert.equal([...host.sessions.all()].length, 1, 'in use');
  await use.release();
  await host.sessions.endQuiet(digest, later(30_000));
  await host.sessions.endQuiet(digestOf('sha256', Buffer.from('other')), later(120_000));
  assert.equal([...host.sessions.all()].length, 1);
  await host.sessions.endQuiet(digest, later(120_000));
  assert.deepEqual([...host.sessions.all()], []);
});

test('who asks for a snapshot that is known here wakes a session; for another there is none', async (context) => {
  const host = await hostOf(context, true, FILES);
  const session = await host.sessions.serve(host.snapshot.id);
  assert.equal(session?.snapshot.id, host.snapshot.id);
  assert.equal(await host.sessions.serve('ff'.repeat(32) as typeof host.snapshot.id), undefined);
  const command = await hostOf(context, false, FILES);
  assert.equal(await command.sessions.serve(command.snapshot.id), undefined);
});

test('after a file failed and all else is done, the next use begins anew', async (context) => {
  const host = await hostOf(context, true, FILES);
  host.source.stream = (bytes) => [bytes.length === A_BYTES ? Buffer.alloc(A_BYTES, 9) : bytes];
  const use = await host.sessions.use(host.snapshot, {});
  await assert.rejects(use.session.waitFor(digestAt(host, 0)), (error) => hasCode(error, 'digest_mismatch'));
  await use.session.waitFor(digestAt(host, 1));
  await use.release();
  host.source.stream = (bytes) => [bytes];
  const again = await fetchAll(host);
  assert.notEqual(again.session, use.session);
});

test('a use that begins while another file is under way does not take it from the first', async (context) => {
  const host = await hostOf(context, true, FILES);
  const gate = Promise.withResolvers<void>();
  const get = host.source.get.bind(host.source);
  host.source.get = async (ref, file, range, sourceContext) => {
    if (file.sizeBytes === B_BYTES) await gate.promise;
    else throw new AnaxError('file_not_found', file.path);
    return await get(ref, file, range, sourceContext);
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
  const host = await hostOf(context, true, FILES);
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
  const host = await hostOf(context, true, FILES);
  await (await fetchAll(host)).release();
  const { digest, sizeBytes, pieceLengthBytes } = host.snapshot.manifest.files[0] ?? assert.fail();
  const open = await host.store.open({ digest, sizeBytes, pieceLengthBytes });
  await open.drop([0]);
  await open.close();
  await fetchAll(host);
  assert.equal((await host.store.find(digest))?.state, 'complete');
  assert.deepEqual(host.sessions.totals(), { fromPeers: 0, fromOrigin: 2 * A_BYTES + B_BYTES });
});

test('with several callers the one whose credentials the hub takes reads for all', async (context) => {
  const host = await hostOf(context, true, FILES);
  const tried: (string | undefined)[] = [];
  const gate = Promise.withResolvers<void>();
  const get = host.source.get.bind(host.source);
  host.source.get = async (ref, file, range, sourceContext) => {
    await gate.promise;
    const token = sourceContext.credentials.token?.reveal();
    tried.push(token);
    if (token !== 'good') throw new AnaxError('access_denied', file.path);
    return await get(ref, file, range, sourceContext);
  };
  const good = await host.sessions.use(host.snapshot, { token: new Secret('good') });
  await host.sessions.use(host.snapshot, { token: new Secret('bad') });
  gate.resolve();
  await good.session.waitFor(digestAt(host, 0));
  await good.session.waitFor(digestAt(host, 1));
  assert.ok(tried.includes('good'));
});

test('when the host stops its sessions end, those in use as well', async (context) => {
  const host = await hostOf(context, true, FILES);
  const { session } = await fetchAll(host);
  await host.sessions.stop();
  assert.equal(session.isOpen, false);
  assert.deepEqual([...host.sessions.all()], []);
});
