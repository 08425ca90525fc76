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
import { createFakeClock, sampleBytes, startPlainServer } from '../../testing/source-conformance/index.ts';
import { OriginClient } from '../origin-client.ts';
import { HttpSource } from './http-source.ts';

const BYTES = sampleBytes(5000, 1);
const MODIFIED = 'Thu, 01 Oct 2026 12:00:00 GMT';

function as(token?: string): SourceContext {
  const credentials = token === undefined ? {} : { token: new Secret(token) };
  return { credentials, signal: new AbortController().signal };
}

async function start(t: TestContext) {
  const clock = createFakeClock();
  const server = await startPlainServer();
  const client = new OriginClient({ clock, random: () => 0 });
  const source = new HttpSource(client);
  t.after(async () => {
    await client.close();
    await server.close();
  });
  const resolve = (path: string, context = as()) =>
    source.resolve(source.parse(`${server.url}${path}`, {}), context);
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
  const only = async (ref: PinnedRef, context = as()): Promise<ListedFile> => {
    const [file] = await source.list(ref, context);
    assert.ok(file);
    return file;
  };
  return { server, source, clock, resolve, read, only };
}

async function assertCode(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(hasCode(error, code), `${String(error)} should be ${code}`);
    return true;
  });
}

describe('http source', () => {
  it('learns all it needs from one HEAD', async (t) => {
    const { server, resolve, only } = await start(t);
    server.files.set('/d/f.bin', { bytes: BYTES, etag: '"v1"', modified: MODIFIED });
    const ref = await resolve('/d/f.bin');
    const file = await only(ref);
    assert.deepEqual([ref.revision, file.path, file.sizeBytes], ['etag:"v1"', 'f.bin', 5000]);
    assert.deepEqual(
      server.requests.map(({ method }) => method),
      ['HEAD'],
    );
  });

  it('does not take a weak ETag for a version', async (t) => {
    const { server, clock, resolve } = await start(t);
    server.files.set('/dated', { bytes: BYTES, etag: 'W/"v1"', modified: MODIFIED });
    server.files.set('/weak', { bytes: BYTES, etag: 'W/"v1"' });
    assert.equal((await resolve('/dated')).revision, `modified:${MODIFIED}`);
    assert.equal((await resolve('/weak')).revision, `unversioned:${clock.now()}`);
  });

  it('reads where HEAD is refused, as by addresses signed for GET', async (t) => {
    const { server, resolve, read, only } = await start(t);
    for (const headStatus of [403, 404, 405, 501]) {
      server.files.set('/f?sig=1', { bytes: BYTES, etag: '"v1"', headStatus });
      const ref = await resolve('/f?sig=1');
      assert.ok((await read(ref, await only(ref))).equals(BYTES));
    }
    server.files.set('/empty', { bytes: new Uint8Array(0), headStatus: 405 });
    assert.equal((await only(await resolve('/empty'))).sizeBytes, 0);
    server.files.set('/no-ranges', { bytes: BYTES, headStatus: 405, ranges: false });
    assert.equal((await only(await resolve('/no-ranges'))).sizeBytes, 5000);
  });

  it('refuses a file whose size nobody tells', async (t) => {
    const { server, resolve } = await start(t);
    server.files.set('/f', { bytes: BYTES, sized: false });
    await assertCode(resolve('/f'), 'origin_protocol');
  });

  it('says that the file changed, and never mixes two versions', async (t) => {
    const { server, resolve, read, only, source } = await start(t);
    const changed = sampleBytes(5000, 2);
    const versions = [
      [{ etag: '"v1"' }, { etag: '"v2"' }],
      [{ modified: MODIFIED }, { modified: 'Fri, 02 Oct 2026 12:00:00 GMT' }],
    ] as const;
    for (const [before, after] of versions) {
      server.files.set('/f', { bytes: BYTES, ...before });
      const ref = await resolve('/f');
      const file = await only(ref);
      server.files.set('/f', { bytes: changed, ...after });
      await assertCode(read(ref, file, as(), { start: 10, end: 20 }), 'origin_changed');
      await assertCode(read(ref, file), 'origin_changed');
      const conditions = server.requests.map(
        ({ headers }) => headers['if-match'] ?? headers['if-unmodified-since'],
      );
      assert.equal(conditions.at(-1), Object.values(before)[0], 'the server is told which version is meant');
      await assertCode(source.resolve({ ...ref }, as()), 'revision_not_found');
    }
  });

  it('checks the version itself where the server ignores conditions', async (t) => {
    const { server, resolve, read, only } = await start(t);
    server.files.set('/f', { bytes: BYTES, etag: '"v1"' });
    const ref = await resolve('/f');
    const file = await only(ref);
    server.files.set('/f', { bytes: BYTES, etag: '"v1"', headers: { etag: '"v2"' } });
    await assertCode(read(ref, file), 'origin_changed');
  });

  it('skips to the range of a small file where the server ignores ranges', async (t) => {
    const { server, resolve, read, only } = await start(t);
    server.files.set('/f', { bytes: BYTES, etag: '"v1"', ranges: false });
    const ref = await resolve('/f');
    const part = await read(ref, await only(ref), as(), { start: 1000, end: 1100 });
    assert.ok(part.equals(BYTES.subarray(1000, 1100)));
  });

  it("tells the server's refusals apart", async (t) => {
    const { server, source, resolve } = await start(t);
    server.files.set('/secured', { bytes: BYTES, token: 'good' });
    await assertCode(resolve('/secured'), 'auth_required');
    await assertCode(resolve('/secured', as('bad')), 'auth_invalid');
    const ref = await resolve('/secured', as('good'));
    assert.equal(ref.restricted, true);
    await source.authorize(ref, as('good'));
    await assertCode(source.authorize(ref, as('bad')), 'auth_invalid');
    await assertCode(resolve('/absent'), 'file_not_found');
  });

  it('has another identity for another query, and shows none of it', async (t) => {
    const { server, source, resolve, only } = await start(t);
    server.files.set('/f?id=1', { bytes: BYTES, etag: '"v1"' });
    server.files.set('/f?id=2', { bytes: BYTES, etag: '"v1"' });
    const [one, two] = [await resolve('/f?id=1'), await resolve('/f?id=2')];
    assert.notEqual((await only(one)).digest, (await only(two)).digest);
    assert.ok(!source.format(one).includes('id='));
    await assert.rejects(resolve('/g?sig=s3cret'), (error) => {
      assert.ok(hasCode(error, 'file_not_found'));
      return !`${error.message}${JSON.stringify(error.details)}`.includes('s3cret');
    });
  });
});
