import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  type ErrorCode,
  hasCode,
  type ListedFile,
  type PinnedRef,
  Secret,
  type SourceContext,
} from '../../core/index.ts';
import { type HuggingFaceHubOptions, startHuggingFaceHub } from '../../testing/hub-emulator/index.ts';
import { createFakeClock, sampleBytes } from '../../testing/source-conformance/index.ts';
import { OriginClient, type OriginClientOptions } from '../origin-client.ts';
import { HfSource } from './hf-source.ts';

const LARGE = sampleBytes(1_200_000, 1);

function as(token?: string): SourceContext {
  const credentials = token === undefined ? {} : { token: new Secret(token) };
  return { credentials, signal: new AbortController().signal };
}

async function start(
  t: TestContext,
  hubOptions: HuggingFaceHubOptions = {},
  clientOptions: OriginClientOptions = {},
) {
  const clock = createFakeClock();
  const hub = await startHuggingFaceHub({ clock: () => clock.now(), ...hubOptions });
  const client = new OriginClient({ clock, random: () => 0 }, clientOptions);
  const source = new HfSource(client, { endpoint: hub.url });
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

describe('hf source', () => {
  it('pins branch, tag, short commit and pull request to the commit', async (t) => {
    const { hub, resolve } = await start(t);
    const { commits } = hub.putRepo({
      id: 'o/n',
      revisions: { main: { a: 'a' }, 'refs/pr/1': { a: 'b' }, 'feature/x': { a: 'c' } },
      tags: { v1: 'main' },
    });
    const main = commits['main'] ?? '';
    for (const url of ['hf://o/n', 'hf://o/n@v1', `hf://o/n@${main.slice(0, 10)}`, `hf://o/n@${main}`]) {
      const ref = await resolve(url);
      assert.equal(ref.revision, main, url);
      assert.equal(ref.restricted, false);
    }
    assert.equal((await resolve('hf://o/n@refs/pr/1')).revision, commits['refs/pr/1']);
    assert.equal((await resolve('hf://o/n@feature%2Fx')).revision, commits['feature/x']);
  });

  it('takes on the canonical id of a renamed, old or differently cased repository', async (t) => {
    const { hub, source, resolve } = await start(t);
    hub.putRepo({ id: 'openai-community/gpt2', renamedFrom: ['gpt2'], revisions: { main: { a: 'a' } } });
    for (const url of ['hf://gpt2', 'hf://OpenAI-Community/GPT2', 'hf://gpt2@main/a']) {
      const ref = await resolve(url);
      assert.equal(ref.repo, 'openai-community/gpt2', url);
      assert.equal((await source.list(ref, as())).length, 1);
    }
  });

  it('reads data sets, spaces and kernels by the same shapes', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    for (const type of ['dataset', 'space', 'kernel'] as const) {
      hub.putRepo({ type, id: 'o/n', revisions: { main: { 'a b': type, large: { content: LARGE } } } });
      const ref = await resolve(`hf://${type}s/o/n`);
      const files = await source.list(ref, as());
      assert.deepEqual(
        files.map((file) => file.path),
        ['a b', 'large'],
      );
      for (const file of files) assert.equal((await read(ref, file)).length, file.sizeBytes);
    }
  });

  it('stays at its commit when the branch moves', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { main: { a: 'old' } } });
    const ref = await resolve('hf://o/n');
    hub.commit('o/n', 'main', { a: 'newer' });
    const [file] = await source.list(ref, as());
    assert.ok(file);
    assert.equal((await read(ref, file)).toString(), 'old');
  });

  it('reads a listing of many pages, wherever the link to the next one points', async (t) => {
    const { hub, source, resolve } = await start(t, { pageSize: 7 });
    const files = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`d/f${index}`, `${index}`]));
    hub.putRepo({ id: 'o/n', revisions: { main: files } });
    const ref = await resolve('hf://o/n');
    assert.equal((await source.list(ref, as())).length, 30);
    assert.equal((await source.list({ ...ref, path: 'd' }, as())).length, 30);
  });

  it('asks no other host for a next page, and sees pages that go in circles', async (t) => {
    const { hub, source, resolve } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { main: { a: 'a' } } });
    const ref = await resolve('hf://o/n', as());
    const link = '<http://evil.invalid/api/x?cursor=1>; rel="next"';
    hub.faults.add({ kind: 'status', status: 200, body: '[]', headers: { link } });
    await assertCode(source.list(ref, as('hf_token')), 'origin_protocol');
    const asked = hub.log.filter(({ path }) => path.includes('/tree/')).map(({ path }) => path.split('?')[1]);
    assert.deepEqual(asked, ['recursive=true&expand=false', 'cursor=1']);
  });

  describe('tells apart', () => {
    const cases: [string, string, string | undefined, ErrorCode][] = [
      ['an absent repository, anonymously', 'hf://o/absent', undefined, 'auth_required'],
      ['an absent repository, with a token', 'hf://o/absent', 'good', 'repo_not_found'],
      ['a private one, anonymously', 'hf://o/private', undefined, 'auth_required'],
      ["a private one, with a stranger's token", 'hf://o/private', 'good', 'repo_not_found'],
      ['a bad token', 'hf://o/public', 'bad', 'auth_invalid'],
      ['an absent revision', 'hf://o/public@nope', undefined, 'revision_not_found'],
      ['a disabled repository', 'hf://o/disabled', undefined, 'access_denied'],
    ];
    for (const [what, url, token, code] of cases) {
      it(what, async (t) => {
        const { hub, resolve } = await start(t);
        const revisions = { main: { a: 'a' } };
        hub.putRepo({ id: 'o/public', revisions });
        hub.putRepo({ id: 'o/private', private: true, revisions });
        hub.putRepo({ id: 'o/disabled', disabled: true, revisions });
        hub.addToken('good');
        await assertCode(resolve(url, as(token)), code);
      });
    }
  });

  it('hints at the other reading of a URL that may mean a file of a one-name repository', async (t) => {
    const { resolve } = await start(t);
    await assert.rejects(
      resolve('hf://gpt2/config.json'),
      (error) => hasCode(error, 'auth_required') && error.hint.includes('hf://gpt2@main/config.json'),
    );
  });

  it('lists a gated repository for all, and gives its bytes to who was let in', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    hub.putRepo({
      id: 'o/gated',
      gated: 'manual',
      revisions: { main: { small: 's', large: { content: LARGE } } },
    });
    hub.addToken('in', { grants: ['o/gated'] });
    hub.addToken('out');
    const ref = await resolve('hf://o/gated');
    assert.equal(ref.restricted, true);
    const files = await source.list(ref, as());
    for (const file of files) {
      assert.equal((await read(ref, file, as('in'))).length, file.sizeBytes);
      await assertCode(read(ref, file, as('out')), 'access_gated');
      await assertCode(read(ref, file), 'access_gated');
    }
    await source.authorize(ref, as('in'));
    await assertCode(source.authorize(ref, as('out')), 'access_gated');
    await assertCode(source.authorize(ref, as()), 'access_gated');
    assert.equal(hub.stats().credentialLeaks, 0);
  });

  it('authorises by a file where the hub has no auth-check', async (t) => {
    const { hub, source, resolve } = await start(t);
    hub.putRepo({ id: 'o/gated', gated: 'auto', revisions: { main: { 'd/f': 'x' } } });
    hub.addToken('in', { grants: ['o/gated'] });
    hub.addToken('out');
    hub.faults.add({ kind: 'status', status: 404, match: { path: /auth-check/u } });
    const ref = await resolve('hf://o/gated');
    await source.authorize(ref, as('in'));
    await assertCode(source.authorize(ref, as('out')), 'access_gated');
  });

  it('asks the hub once for the address of a file, and anew shortly before it ends', async (t) => {
    const { hub, source, clock, resolve, read } = await start(t, { signedUrlTtlMs: 600_000 });
    hub.putRepo({ id: 'o/n', revisions: { main: { large: { content: LARGE } } } });
    const ref = await resolve('hf://o/n');
    const [file] = await source.list(ref, as());
    assert.ok(file);
    const questions = () => hub.log.filter(({ path }) => path.includes('/resolve/')).length;
    const ranges = Array.from({ length: 12 }, (_, index) => ({
      start: index * 1000,
      end: index * 1000 + 1000,
    }));
    await Promise.all(ranges.map((range) => read(ref, file, as(), range)));
    assert.equal(questions(), 1);
    clock.advance(560_000);
    await read(ref, file, as(), { start: 0, end: 10 });
    assert.equal(questions(), 2);
  });

  it('renews an address that the CDN refuses, once for all readers', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { main: { large: { content: LARGE } } } });
    const ref = await resolve('hf://o/n');
    const [file] = await source.list(ref, as());
    assert.ok(file);
    await read(ref, file, as(), { start: 0, end: 10 });
    const ended = /Policy=([\w.-]+)/u.exec(hub.log.find(({ host }) => host === 'cdn')?.path ?? '')?.[1] ?? '';
    hub.faults.add({
      kind: 'status',
      status: 403,
      match: { host: 'cdn', path: ended.replaceAll('.', '\\.') },
    });
    const starts = [0, 100, 200];
    await Promise.all(starts.map((begin) => read(ref, file, as(), { start: begin, end: begin + 100 })));
    assert.equal(hub.log.filter(({ path }) => path.includes('/resolve/')).length, 2);
    hub.faults.add({ kind: 'status', status: 403, match: { host: 'cdn' } });
    await assertCode(read(ref, file), 'origin_unavailable');
  });

  it('costs no more requests than the budget of a snapshot', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    const small = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`s${index}`, `text ${index}`]),
    );
    const large = { l1: { content: LARGE }, l2: { content: sampleBytes(1_100_000, 2) } };
    hub.putRepo({ id: 'o/n', revisions: { main: { ...small, ...large, empty: '' } } });
    const ref = await resolve('hf://o/n');
    const files = await source.list(ref, as());
    for (const file of files) {
      const middle = file.sizeBytes > 1000 ? 500_000 : file.sizeBytes;
      await read(ref, file, as(), { start: 0, end: middle });
      await read(ref, file, as(), { start: middle, end: file.sizeBytes });
    }
    const { hubRequests, cdnRequests, contentBytesSent } = hub.stats();
    assert.equal(
      hubRequests,
      1 + 1 + 20 + 2,
      'resolve, one page, each small file, one question for each large one',
    );
    assert.equal(cdnRequests, 4);
    assert.equal(
      contentBytesSent,
      files.reduce((sum, file) => sum + file.sizeBytes, 0),
    );
  });

  it('falls back to resolve where the hub lacks resolve-cache, and remembers it', async (t) => {
    const { hub, source, resolve } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { main: { a: 'a', b: 'b' } } });
    // A hub without the route redirects elsewhere: emulated by answering 404 when asked without the redirect's query.
    hub.faults.add({ kind: 'status', status: 404, match: { path: /resolve-cache\/[^?]*$/u } });
    const ref = await resolve('hf://o/n');
    for (const file of await source.list(ref, as())) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of await source.get(ref, file, { start: 0, end: 1 }, as()))
        chunks.push(Buffer.from(chunk));
      assert.equal(Buffer.concat(chunks).toString(), file.path);
    }
    assert.equal(
      hub.log.filter(({ path, status }) => status === 404 && path.includes('resolve-cache')).length,
      1,
    );
  });

  it('survives a storm of 429 and fails fast when it would last too long', async (t) => {
    const { hub, source, clock, resolve, read } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { main: { a: 'a' } } });
    const ref = await resolve('hf://o/n');
    const [file] = await source.list(ref, as());
    assert.ok(file);
    hub.faults.add({ kind: 'status', status: 429, times: 3, headers: { ratelimit: '"api";r=0;t=20' } });
    assert.equal((await read(ref, file)).toString(), 'a');
    assert.ok(clock.sleeps.filter((ms) => ms === 21_000).length >= 3);
    hub.faults.add({ kind: 'status', status: 429, headers: { 'retry-after': '301' } });
    const before = clock.sleeps.length;
    await assertCode(read(ref, file), 'rate_limited');
    assert.equal(clock.sleeps.length, before);
  });

  it('gets through bursts of 5xx on hub and CDN', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { main: { large: { content: LARGE } } } });
    hub.faults.add({ kind: 'status', status: 503, times: 2, match: { host: 'hub' } });
    hub.faults.add({ kind: 'status', status: 500, times: 2, match: { host: 'cdn' } });
    hub.faults.add({ kind: 'reset', times: 1, match: { host: 'cdn' } });
    const ref = await resolve('hf://o/n');
    const [file] = await source.list(ref, as());
    assert.ok(file);
    assert.ok((await read(ref, file)).equals(LARGE));
  });

  it('refuses a file that the hub says is another than the one listed', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { main: { large: { content: LARGE } } } });
    hub.putRepo({ id: 'o/other', revisions: { main: { large: { content: sampleBytes(1_200_000, 9) } } } });
    const ref = await resolve('hf://o/n');
    const other = await resolve('hf://o/other');
    const [file] = await source.list(other, as());
    assert.ok(file);
    await assertCode(read(ref, file), 'origin_changed');
  });

  it('refuses an answer with a wrong length', async (t) => {
    const { hub, source, resolve, read } = await start(t);
    hub.putRepo({ id: 'o/n', revisions: { main: { large: { content: LARGE } } } });
    const ref = await resolve('hf://o/n');
    const [file] = await source.list(ref, as());
    assert.ok(file);
    for (const deltaBytes of [-5, 5]) {
      hub.faults.add({ kind: 'wrong-length', deltaBytes, times: 1, match: { host: 'cdn' } });
      await assertCode(read(ref, file, as(), { start: 0, end: 1000 }), 'origin_protocol');
    }
  });

  it('refuses listings that are no listings', async (t) => {
    const { hub, source, resolve } = await start(t);
    const hostile: unknown[] = [
      { type: 'file', path: 'x', size: -1, oid: 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391' },
      { type: 'file', path: 'x', size: 1e30, oid: 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391' },
      { type: 'file', path: 'x', size: 1, oid: 'no hash' },
      { type: 'file', path: 'x', size: 1, oid: 'x', lfs: { oid: 'no hash', size: 1 } },
      { type: 'file', path: 5, size: 1 },
      'text',
    ];
    for (const [index, entry] of hostile.entries()) {
      hub.putRepo({ id: `o/n${index}`, revisions: { main: { a: 'a' } }, rawEntries: [entry] });
      const ref = await resolve(`hf://o/n${index}`);
      await assertCode(source.list(ref, as()), 'origin_protocol');
    }
  });

  it('hides a token that a hub sends back in an error', async (t) => {
    const { hub, resolve } = await start(t);
    const headers = { 'x-error-message': 'bad hf_secret_1', 'x-request-id': 'hf_secret_1' };
    hub.faults.add({ kind: 'status', status: 403, headers });
    await assert.rejects(resolve('hf://o/n', as('hf_secret_1')), (error) => {
      assert.ok(hasCode(error, 'access_denied'));
      return !`${error.message}${JSON.stringify(error.details)}`.includes('hf_secret_1');
    });
  });
});
