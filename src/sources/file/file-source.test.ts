import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { type ErrorCode, hasCode, type SourceContext } from '../../core/index.ts';
import { pathSegments } from '../../testing/source-conformance/index.ts';
import { FileSource } from './file-source.ts';
import { formatFileUrl, parseFileUrl } from './file-url.ts';

const context: SourceContext = { credentials: {}, signal: new AbortController().signal };

async function start(t: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'anax-file-'));
  t.after(() => rm(root, { recursive: true }));
  const source = new FileSource();
  const resolve = (path = root) => source.resolve(source.parse(pathToFileURL(path).href, {}), context);
  const list = async (path = root) => await source.list(await resolve(path), context);
  return { root, source, resolve, list };
}

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}

async function assertCode(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(hasCode(error, code), `${String(error)} should be ${code}`);
    return true;
  });
}

describe('file URL', () => {
  it('reads absolute paths', () => {
    assert.equal(parseFileUrl('file:///data/a%20b', {}).repo, '/data/a b');
    assert.equal(parseFileUrl('file://localhost/data/', {}).repo, '/data');
    assert.equal(parseFileUrl(`file:///data#@${'a'.repeat(32)}`, {}).revision, 'a'.repeat(32));
  });

  for (const url of [
    'file://',
    'file:///',
    'file://host/data',
    'file://data',
    'file:///a/../b',
    'file:///a?b',
    'file:///a#b',
    'file:/a',
  ]) {
    it(`refuses ${url}`, () =>
      assert.throws(
        () => parseFileUrl(url, {}),
        (error) => hasCode(error, 'url_invalid'),
      ));
  }

  it('is read again from its formatted form', () => {
    fc.assert(
      fc.property(
        fc.array(pathSegments, { minLength: 1, maxLength: 4 }),
        fc.constantFrom('', 'b'.repeat(32)),
        (segments, revision) => {
          const ref = { scheme: 'file', endpoint: '', repo: `/${segments.join('/')}`, revision, path: '' };
          assert.deepEqual(parseFileUrl(formatFileUrl(ref), {}), ref);
        },
      ),
    );
  });
});

describe('file source', () => {
  it('takes a single file by its name', async (t) => {
    const { root, list } = await start(t);
    await writeFile(join(root, 'one.bin'), 'x');
    assert.deepEqual(
      (await list(join(root, 'one.bin'))).map(({ path }) => path),
      ['one.bin'],
    );
  });

  it('follows links to files of the folder', async (t) => {
    const { root, source, resolve } = await start(t);
    await mkdir(join(root, 'blobs'));
    await writeFile(join(root, 'blobs', 'x'), 'content');
    await symlink('blobs/x', join(root, 'link'));
    const ref = await resolve();
    const file = await source.stat(ref, 'link', context);
    const chunks: Uint8Array[] = [];
    for await (const chunk of await source.get(ref, file, { start: 0, end: 7 }, context))
      chunks.push(Buffer.from(chunk));
    assert.equal(Buffer.concat(chunks).toString(), 'content');
  });

  it('refuses links that leave the folder, lead to folders or nowhere', async (t) => {
    const { root, list } = await start(t);
    const inner = join(root, 'inner');
    await mkdir(join(inner, 'folder'), { recursive: true });
    await writeFile(join(root, 'secret'), 's');
    await mkdir(join(root, 'inner-too'));
    await writeFile(join(root, 'inner-too', 'f'), 's');
    for (const target of ['../secret', '/etc/passwd', 'folder', 'nowhere', 'link', '../inner-too/f']) {
      await symlink(target, join(inner, 'link'));
      await assertCode(list(inner), 'listing_unsafe');
      await rm(join(inner, 'link'));
    }
  });

  it('does not read through a link that was put in place after the listing', async (t) => {
    const { root, source, resolve } = await start(t);
    const inner = join(root, 'inner');
    await mkdir(inner);
    await writeFile(join(root, 'secret'), 'xx');
    await writeFile(join(inner, 'f'), 'ok');
    const ref = await resolve(inner);
    const file = await source.stat(ref, 'f', context);
    await rm(join(inner, 'f'));
    await symlink('../secret', join(inner, 'f'));
    const reading = drain(await source.get(ref, file, { start: 0, end: 2 }, context));
    await assertCode(reading, 'file_not_found');
  });

  it('leaves sockets out', async (t) => {
    const { root, list } = await start(t);
    await writeFile(join(root, 'f'), 'x');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, 'socket'), resolve));
    t.after(() => server.close());
    assert.deepEqual(
      (await list()).map(({ path }) => path),
      ['f'],
    );
  });

  it('says that the folder changed since it was pinned', async (t) => {
    const { root, source, resolve } = await start(t);
    await writeFile(join(root, 'f'), 'x');
    const ref = await resolve();
    const [file] = await source.list(ref, context);
    assert.ok(file);
    await utimes(join(root, 'f'), 1, 1);
    await assertCode(source.list(ref, context), 'origin_changed');
    await writeFile(join(root, 'f'), 'longer');
    await assertCode(drain(await source.get(ref, file, { start: 0, end: 1 }, context)), 'origin_changed');
    await rm(join(root, 'f'));
    await assertCode(drain(await source.get(ref, file, { start: 0, end: 1 }, context)), 'file_not_found');
  });

  it('refuses names that no other node could take', async (t) => {
    const { root, list } = await start(t);
    await writeFile(join(root, 'back\\slash'), 'x');
    await assertCode(list(), 'listing_unsafe');
  });
});
