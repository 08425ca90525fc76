// What a plain web server can do to a download of one file.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type PlainServer, startPlainServer } from '../../src/testing/source-conformance/index.ts';
import { assertFailed, assertFailedClean, type Errand, errand, SECRET } from './errand.ts';
import { MiB } from './support.ts';

const BYTES = new Uint8Array(3 * MiB).map((_, at) => (at * 31) % 251);
const SHA256 = `sha256:${createHash('sha256').update(BYTES).digest('hex')}`;

let server: PlainServer;
let elsewhere: PlainServer;

before(async () => {
  server = await startPlainServer();
  elsewhere = await startPlainServer('localhost');
});

after(async () => {
  await Promise.all([server.close(), elsewhere.close()]);
});

function person(context: TestContext): Promise<Errand> {
  return errand(context);
}

async function assertFile({ out }: Errand): Promise<void> {
  assert.ok(Buffer.from(BYTES).equals(await readFile(out)));
}

describe('a web server', () => {
  const REFUSALS = [
    ['404', '/absent.bin', [], 'file_not_found'],
    ['401, without credentials', '/locked.bin', [], 'auth_required'],
    ['401, with wrong ones', '/locked.bin', ['-H', `Authorization: Bearer wrong${SECRET}`], 'auth_invalid'],
    ['403', '/forbidden.bin', [], 'access_denied'],
  ] as const;
  for (const [what, path, flags, code] of REFUSALS) {
    test(`that answers ${what} ends in ${code}`, async (context) => {
      server.files.set('/locked.bin', { bytes: BYTES, token: `right${SECRET}` });
      server.files.set('/forbidden.bin', { bytes: BYTES, status: 403 });
      const she = await person(context);
      const error = await assertFailedClean(she, await she.get(`${server.url}${path}`, ...flags), code);
      assert.match(error.message, new RegExp(path, 'u'));
    });
  }

  test('that wants a header gets it, and no other host does', async (context) => {
    const token = `right${SECRET}`;
    server.files.set('/locked.bin', { bytes: BYTES, token });
    server.files.set('/moved.bin', { bytes: BYTES, token, redirectTo: `${elsewhere.url}/there.bin` });
    elsewhere.files.set('/there.bin', { bytes: BYTES, etag: '"1"' });
    for (const path of ['/locked.bin', '/moved.bin']) {
      const she = await person(context);
      const result = await she.get(`${server.url}${path}`, '-H', `Authorization: Bearer ${token}`);
      assert.equal(result.exitCode, 0, result.stderr);
      await assertFile(she);
    }
    assert.ok(elsewhere.requests.length > 0);
    for (const { headers } of elsewhere.requests) assert.equal(headers.authorization, undefined);
  });

  test('whose file changes while it is read ends in origin_changed, with nothing of the mix', async (context) => {
    const path = '/changing.bin';
    server.files.set(path, { bytes: BYTES, etag: '"1"' });
    server.breakNext('cut', 1.5 * MiB);
    const she = await person(context);
    const result = await she.start(`${server.url}${path}`, [], (line) => {
      if (line.kind === 'resolved') server.files.set(path, { bytes: BYTES.toReversed(), etag: '"2"' });
    }).result;
    await assertFailedClean(she, result, 'origin_changed');
    const again = await she.get(`${server.url}${path}`);
    assert.equal(again.exitCode, 0, again.stderr);
    assert.ok(Buffer.from(BYTES.toReversed()).equals(await readFile(she.out)));
  });

  test('that knows no ranges still resumes a file that was cut', async (context) => {
    server.files.set('/rangeless.bin', { bytes: BYTES, etag: '"1"', ranges: false });
    server.breakNext('cut', 1.5 * MiB);
    const she = await person(context);
    const result = await she.get(`${server.url}/rangeless.bin`, '--digest', SHA256);
    assert.equal(result.exitCode, 0, result.stderr);
    await assertFile(she);
  });

  test('that knows no ranges gives a large file in one go, and again what was cut', async (context) => {
    const bytes = Buffer.alloc(80 * MiB, BYTES);
    server.files.set('/large.bin', { bytes, etag: '"1"', ranges: false });
    const she = await person(context);
    const before = server.requests.length;
    const slowly = ['--download-rate', '40MiB'];
    const killed = she.start(`${server.url}/large.bin`, slowly, (line) => {
      if (line.kind === 'progress' && line.bytesFromOrigin > 20 * MiB) killed.child.kill('SIGKILL');
    });
    assert.equal((await killed.result).exitCode, null);
    const again = await she.get(`${server.url}/large.bin`);
    assert.equal(again.exitCode, 0, again.stderr);
    assert.ok(bytes.equals(await readFile(she.out)));
    const left = Number(again.summary?.bytesFromOrigin);
    assert.ok(left < bytes.length, `${left} bytes were wanted again`);
    // One question for each read that was begun, and one for all of it, twice.
    assert.ok(server.requests.length - before <= 2 * (1 + 4 + 1), String(server.requests.length - before));
  });

  test('that serves something else than the digest says leaves nothing', async (context) => {
    server.files.set('/other.bin', { bytes: BYTES.toReversed(), etag: '"1"' });
    const she = await person(context);
    const result = await she.get(`${server.url}/other.bin`, '--digest', SHA256);
    const error = await assertFailedClean(she, result, 'digest_mismatch');
    assert.equal(error.details['expected'], SHA256);
    assert.match(String(error.details['actual']), /^sha256:/u);
  });

  test('that does not listen ends in network_unreachable', async (context) => {
    const she = await person(context);
    await assertFailedClean(she, await she.get('http://127.0.0.1:9/a.bin'), 'network_unreachable');
  });

  test('and a page where a file is meant: the address names the file, or -O does', async (context) => {
    server.files.set('/', { bytes: BYTES, etag: '"1"' });
    const she = await person(context);
    const result = await she.get(`${server.url}/`, '-O', join(she.folder, 'page'));
    assert.equal(result.exitCode, 0, result.stderr);
    assertFailed(await she.get(`${server.url}/absent`, '-O', join(she.folder, 'page')), 'file_not_found');
  });
});
