import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  digestAlgorithm,
  type ErrorCode,
  hasCode,
  type ListedFile,
  type PinnedRef,
  Secret,
  type SourceContext,
} from '../../core/index.ts';
import { type ModelScopeHubOptions, startModelScopeHub } from '../../testing/hub-emulator/index.ts';
import { createFakeClock, sampleBytes } from '../../testing/source-conformance/index.ts';
import { OriginClient } from '../origin-client.ts';
import { ModelscopeSource } from './modelscope-source.ts';

const LARGE = sampleBytes(1_200_000, 1);

function as(token?: string): SourceContext {
  const credentials = token === undefined ? {} : { token: new Secret(token) };
  return { credentials, signal: new AbortController().signal };
}

async function start(t: TestContext, hubOptions: ModelScopeHubOptions = {}) {
  const clock = createFakeClock();
  const hub = await startModelScopeHub({ clock: () => clock.now(), ...hubOptions });
  const client = new OriginClient({ clock, random: () => 0 });
  const source = new ModelscopeSource(client, { endpoint: hub.url });
  t.after(async () => {
    await client.close();
    await hub.close();
  });
  const resolve = (url: string, context = as()) => source.resolve(source.parse(url, {}), context);
  const read = async (
    ref: PinnedRef,
    file: ListedFile,
    context = as(),
    range = { start: 0, end: file.sizeBytes },
  ) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of await source.get(ref, file, range, context)) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  };
  return { hub, source, clock, resolve, read };
}

async function assertCode(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(hasCode(error, code), `${String(error)} should be ${code}`);
    return true;
  });
}

describe('modelscope source', () => {
  it('resolves, lists and stats a repository with one request', async (t) => {
    const { hub, source, resolve } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { master: { a: 'a', b: 'b', 'd/c': 'c' } } });
    const ref = await resolve('modelscope://o/n');
    assert.match(ref.revision, /^master~[0-9a-f]{32}$/u);
    assert.equal(ref.restricted, false);
    assert.equal((await source.list(ref, as())).length, 3);
    await source.stat(ref, 'd/c', as());
    assert.deepEqual(await resolve(source.format(ref)), ref);
    assert.equal(hub.stats().hubRequests, 1);
  });

  it('pins content: the same of two branches, another after a change', async (t) => {
    const { hub, source, resolve } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { master: { a: 'a' }, dev: { a: 'a' } }, tags: { v1: 'master' } });
    const master = await resolve('modelscope://o/n');
    const hash = master.revision.split('~')[1];
    assert.equal((await resolve('modelscope://o/n@dev')).revision, `dev~${hash}`);
    assert.equal((await resolve('modelscope://o/n@v1')).revision, `v1~${hash}`);
    hub.commit('o/n', 'master', { a: 'changed' });
    assert.notEqual((await resolve('modelscope://o/n')).revision, master.revision);
    assert.equal((await source.list(master, as())).length, 1, 'what was listed is kept');
  });

  it('says that a pinned snapshot is gone, rather than giving another', async (t) => {
    const first = await start(t);
    first.hub.putRepo({ id: 'o/n', revisions: { master: { a: 'a' } } });
    const pinned = await first.resolve('modelscope://o/n');
    const { hub, source, resolve } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { master: { a: 'other' } } });
    const url = source.format(pinned);
    await assert.rejects(
      resolve(url),
      (error) => hasCode(error, 'revision_not_found') && error.hint.includes('@master'),
    );
    await assertCode(source.list({ ...pinned, endpoint: hub.url }, as()), 'origin_changed');
    assert.equal(await source.exists(source.parse(url, {}), as()), false);
  });

  it('lists a data set by pages', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    const files = Object.fromEntries(Array.from({ length: 401 }, (_, index) => [`f${index}`, `${index}`]));
    hub.putRepo({
      type: 'dataset',
      id: 'o/d',
      revisions: { master: { ...files, large: { content: LARGE } } },
    });
    const ref = await resolve('modelscope://datasets/o/d');
    const listed = await source.list(ref, as());
    assert.equal(listed.length, 402);
    assert.equal(hub.stats().hubRequests, 3);
    const file = listed.find(({ path }) => path === 'large');
    assert.ok(file);
    assert.ok((await read(ref, file)).equals(LARGE));
  });

  it('lists an exactly full page of a data set, and asks for the empty one after it', async (t) => {
    const { hub, source, resolve } = await start(t);
    const files = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`f${index}`, `${index}`]));
    hub.putRepo({ type: 'dataset', id: 'o/d', revisions: { master: files } });
    assert.equal((await source.list(await resolve('modelscope://datasets/o/d'), as())).length, 200);
    assert.equal(hub.stats().hubRequests, 2);
  });

  it('finds out what is restricted by asking without the token first', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    hub.putRepo({ id: 'o/public', revisions: { master: { a: 'a' } } });
    hub.putRepo({ id: 'o/private', private: true, revisions: { master: { a: 'a' } } });
    hub.addToken('in', { canRead: ['o/private'] });
    hub.addToken('out');
    assert.equal((await resolve('modelscope://o/public', as('in'))).restricted, false);
    assert.equal(hub.stats().hubRequests, 1);
    for (const status of [401, 403, 404] as const) {
      hub.quirks.privateStatus = status;
      const ref = await resolve('modelscope://o/private', as('in'));
      assert.equal(ref.restricted, true);
      await source.authorize(ref, as('in'));
      const [file] = await source.list(ref, as('in'));
      assert.ok(file);
      assert.equal((await read(ref, file, as('in'))).toString(), 'a');
    }
    const expected = {
      401: ['auth_required', 'auth_invalid'],
      403: ['auth_required', 'access_denied'],
      404: ['repo_not_found', 'repo_not_found'],
    } as const;
    for (const status of [401, 403, 404] as const) {
      hub.quirks.privateStatus = status;
      await assertCode(resolve('modelscope://o/private'), expected[status][0]);
      await assertCode(resolve('modelscope://o/private', as('out')), expected[status][1]);
    }
  });

  it('sends the token as bearer and as cookie, to the hub only', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    hub.putRepo({ id: 'o/n', private: true, revisions: { master: { large: { content: LARGE } } } });
    hub.addToken('ms-token', { canRead: ['o/n'] });
    const context = as('ms-token');
    const ref = await resolve('modelscope://o/n', context);
    const [file] = await source.list(ref, context);
    assert.ok(file);
    await read(ref, file, context);
    const { headers } = hub.log.filter(({ host }) => host === 'hub').at(-1) ?? {};
    assert.equal(headers?.authorization, 'Bearer ms-token');
    assert.equal(headers?.cookie, 'm_session_id=ms-token');
    assert.equal(hub.stats().credentialLeaks, 0);
  });

  for (const missingFile of [404, 200] as const) {
    it(`says that a file is gone where the hub answers ${missingFile}`, async (t) => {
      const { hub, source, resolve, read } = await start(t, { quirks: { missingFile } });
      hub.putRepo({ id: 'o/n', revisions: { master: { 'a.json': '{}', b: 'b' } } });
      const ref = await resolve('modelscope://o/n');
      hub.commit('o/n', 'master', { 'a.json': null });
      const [file] = await source.list(ref, as());
      assert.ok(file);
      await assertCode(read(ref, file), 'file_not_found');
    });
  }

  it('reads a JSON file that is no error envelope', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { master: { 'a.json': '{"Code":404}' } } });
    const ref = await resolve('modelscope://o/n');
    const [file] = await source.list(ref, as());
    assert.ok(file);
    assert.equal((await read(ref, file)).toString(), '{"Code":404}');
  });

  it('falls back to the address that browsers use', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { master: { a: 'a' } } });
    hub.faults.add({ kind: 'status', status: 404, match: { path: /\/repo\?/u } });
    const ref = await resolve('modelscope://o/n');
    const [file] = await source.list(ref, as());
    assert.ok(file);
    assert.equal((await read(ref, file)).toString(), 'a');
  });

  it('follows both kinds of redirect, and asks once for the address of a file', async (t) => {
    for (const lfsRedirect of [302, 307] as const) {
      const { hub, source, resolve, read } = await start(t, { quirks: { lfsRedirect } });
      hub.putRepo({ id: 'o/n', revisions: { master: { large: { content: LARGE } } } });
      const ref = await resolve('modelscope://o/n');
      const [file] = await source.list(ref, as());
      assert.ok(file);
      for (let start_ = 0; start_ < 5; start_ += 1)
        await read(ref, file, as(), { start: start_, end: 600_000 });
      assert.equal(hub.stats().hubRequests, 2);
    }
  });

  it('renews an address that has ended', async (t) => {
    const { hub, source, clock, resolve, read } = await start(t, { signedUrlTtlMs: 1000 });
    hub.putRepo({ id: 'o/n', revisions: { master: { large: { content: LARGE } } } });
    const ref = await resolve('modelscope://o/n');
    const [file] = await source.list(ref, as());
    assert.ok(file);
    await read(ref, file);
    clock.advance(5000);
    assert.ok((await read(ref, file)).equals(LARGE));
    assert.equal(hub.stats().byStatus['403'], 1);
  });

  it('names files without a hash by address and commit', async (t) => {
    const { hub, source, resolve, read } = await start(t, { quirks: { sha256: 'absent' } });
    hub.putRepo({ id: 'o/n', revisions: { master: { a: 'a' } } });
    const ref = await resolve('modelscope://o/n');
    const [file] = await source.list(ref, as());
    assert.ok(file);
    assert.equal(digestAlgorithm(file.digest), 'origin');
    assert.equal((await read(ref, file)).toString(), 'a');
    hub.commit('o/n', 'master', { a: 'b' });
    assert.notEqual((await resolve('modelscope://o/n')).revision, ref.revision);
  });

  it('gets through 429 and 5xx', async (t) => {
    const { hub, clock, resolve } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { master: { a: 'a' } } });
    hub.faults.add({ kind: 'status', status: 429, times: 1, headers: { 'retry-after': '5' } });
    hub.faults.add({ kind: 'status', status: 502, times: 1, skip: 1 });
    await resolve('modelscope://o/n');
    assert.ok(clock.sleeps.includes(5000));
  });

  it('refuses an answer that is no listing', async (t) => {
    const { hub, resolve } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { master: { a: 'a' } } });
    for (const body of [
      '<html>',
      '{}',
      '{"Code":200,"Data":{"Files":[{"Type":"blob","Path":"x"}]}}',
      '{"Code":200,"Success":true,"Data":null}',
      '{"Code":10010,"Message":"odd","Data":null}',
    ]) {
      const fault = hub.faults.add({ kind: 'status', status: 200, body });
      await assertCode(resolve('modelscope://o/n'), 'origin_protocol');
      fault.remove();
    }
  });
});
