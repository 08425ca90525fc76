import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { bytesContent, readAll } from './content.ts';
import { generatedContent } from './generated-content.ts';
import { MS_QUIRKS } from './ms-files.ts';
import { type ModelScopeHub, startModelScopeHub } from './ms-hub.ts';
import { type Answer, call, follow } from './test-client.ts';

interface Envelope<Data> {
  readonly Code: number;
  readonly Success: boolean;
  readonly Message: string;
  readonly RequestId: string;
  readonly Data: Data;
}

interface File {
  readonly Path: string;
  readonly Type: string;
  readonly Size: number;
  readonly Sha256?: string;
  readonly Revision: string;
  readonly IsLFS: boolean;
}

const WEIGHTS = generatedContent({ seed: 'ms', sizeBytes: 1_500_000 });
const REPO = 'acme/demo';
let hub: ModelScopeHub;
let nowMs = 0;

before(async () => {
  hub = await startModelScopeHub({ clock: () => nowMs, signedUrlTtlMs: 1000 });
});
after(() => hub.close());
beforeEach(() => {
  nowMs = 5_000_000;
  Object.assign(hub.quirks, MS_QUIRKS);
  hub.faults.clear();
  hub.resetLog();
  const files = { 'config.json': '{}', 'w.bin': WEIGHTS, 'dir/a b+c.txt': 'odd', 'empty.txt': '' };
  hub.putRepo({ id: REPO, revisions: { master: files }, tags: { v1: 'master' } });
});

function api(path: string, options: Parameters<typeof call>[1] = {}): Promise<Answer> {
  return call(`${hub.url}/api/v1/${path}`, options);
}

async function data<Data>(path: string): Promise<Data> {
  return ((await api(path)).json() as Envelope<Data>).Data;
}

async function list(query = 'Revision=master&Recursive=True'): Promise<File[]> {
  return (await data<{ Files: File[] }>(`models/${REPO}/repo/files?${query}`)).Files;
}

function download(path: string, options: Parameters<typeof call>[1] = {}): Promise<Answer> {
  return api(`models/${REPO}/repo?Revision=master&FilePath=${encodeURIComponent(path)}`, options);
}

test('(41) answers come in the envelope, errors too', async () => {
  const good = (await api(`models/${REPO}`)).json() as Envelope<{ Name: string }>;
  assert.deepEqual([good.Code, good.Success, good.Message, good.Data.Name], [200, true, 'success', 'demo']);
  assert.match(good.RequestId, /^[0-9a-f-]{36}$/);
  const bad = await api('models/no/such');
  assert.equal(bad.status, 404);
  const envelope = bad.json() as Envelope<null>;
  assert.equal(envelope.Success, false);
  assert.equal(envelope.Data, null);
  assert.notEqual(envelope.Code, 200);
});

test('(42) revisions are branches and tags; master is the default; an unlisted revision is refused', async () => {
  const { RevisionMap: map } = await data<{
    RevisionMap: Record<string, { Revision: string; CreatedAt: number }[]>;
  }>(`models/${REPO}/revisions`);
  assert.deepEqual(
    [map['Branches'], map['Tags']].map((refs) => refs?.map(({ Revision }) => Revision)),
    [['master'], ['v1']],
  );
  assert.deepEqual(await list('Recursive=True'), await list());
  const sha = (await list())[0]?.Revision;
  for (const revision of ['nope', sha]) {
    assert.equal((await api(`models/${REPO}/repo/files?Revision=${revision}`)).status, 404);
    assert.equal((await api(`models/${REPO}?Revision=${revision}`)).status, 404);
  }
});

test('(43) files are listed at once, folders as trees, with Recursive and Root honoured', async () => {
  const types = (files: File[]): string[] => files.map(({ Type, Path }) => `${Type} ${Path}`);
  const top = ['blob config.json', 'tree dir', 'blob empty.txt', 'blob w.bin'];
  assert.deepEqual(types(await list('Revision=master')), top);
  assert.deepEqual(types(await list()), [...top.slice(0, 2), 'blob dir/a b+c.txt', ...top.slice(2)]);
  assert.deepEqual(types(await list('Recursive=True&Root=dir')), ['blob dir/a b+c.txt']);
  assert.equal((await api(`models/${REPO}/repo/files?Root=nope`)).status, 404);
});

test('(44) every file has its Sha256 and size, unless the test wants them absent or wrong', async () => {
  for (const { Path, Type, Sha256, Size, IsLFS } of await list()) {
    if (Type === 'tree') continue;
    const answer = await follow(`${hub.url}/models/${REPO}/resolve/master/${encodeURI(Path)}`);
    assert.equal(Sha256, await bytesContent(answer.body).sha256());
    assert.equal(Size, answer.body.length);
    assert.equal(IsLFS, Path === 'w.bin');
  }
  const right = (await list())[0]?.Sha256;
  hub.quirks.sha256 = 'wrong';
  hub.quirks.sizeError = 1;
  const [wrong] = await list();
  assert.match(String(wrong?.Sha256), /^[0-9a-f]{64}$/);
  assert.notEqual(wrong?.Sha256, right);
  assert.equal(wrong?.Size, 3);
  hub.quirks.sha256 = 'absent';
  assert.equal((await list())[0]?.Sha256, undefined);
});

test('(45) the Revision of a file is the commit that touched it, not the head', async () => {
  const head = hub.commit(REPO, 'master', { 'config.json': '{"v":2}' });
  const files = await list();
  assert.equal(files.find(({ Path }) => Path === 'config.json')?.Revision, head);
  assert.notEqual(files.find(({ Path }) => Path === 'w.bin')?.Revision, head);
});

test('(46) a file comes by the API and by the browser form, whatever its name', async () => {
  assert.equal((await download('dir/a b+c.txt')).text(), 'odd');
  assert.equal((await call(`${hub.url}/models/${REPO}/resolve/master/dir/a%20b%2Bc.txt`)).text(), 'odd');
});

test('(47) an LFS file is redirected to another host by an auth_key that expires; true ranges there', async () => {
  const answer = await download('w.bin');
  assert.equal(answer.status, 302);
  const location = String(answer.headers.location);
  assert.match(
    location,
    /^http:\/\/localhost:\d+\/prod\/lfs-objects\/[0-9a-f]{2}\/[0-9a-f]{2}\/[0-9a-f]{60}\?.*auth_key=/,
  );
  const part = await call(location, { headers: { range: 'bytes=100-199' } });
  assert.equal(part.status, 206);
  assert.deepEqual(part.body, (await readAll(WEIGHTS)).subarray(100, 200));
  nowMs += 1000;
  assert.equal((await call(location)).status, 403);
  hub.quirks.lfsRedirect = 307;
  assert.equal((await download('w.bin')).status, 307);
});

test('(48) the gateway ignores Range for a small file, or honours it', async () => {
  const range = { headers: { range: 'bytes=1-' } };
  const ignored = await download('config.json', range);
  assert.deepEqual([ignored.status, ignored.text()], [200, '{}']);
  hub.quirks.smallFileRanges = 'honoured';
  const honoured = await download('config.json', range);
  assert.deepEqual([honoured.status, honoured.text()], [206, '}']);
});

test('(49) a missing file is a 404 envelope, or an error envelope with status 200', async () => {
  for (const status of [404, 200] as const) {
    hub.quirks.missingFile = status;
    const answer = await download('nope');
    assert.equal(answer.status, status);
    assert.equal((answer.json() as Envelope<null>).Success, false);
  }
});

test('(50) a data set has an Id, its tree by pages, and its own download form', async () => {
  const files = Object.fromEntries(Array.from({ length: 7 }, (_, index) => [`f${index}.txt`, `${index}`]));
  hub.putRepo({ type: 'dataset', id: 'acme/data', revisions: { master: files } });
  const { Id: id } = await data<{ Id: number }>('datasets/acme/data');
  for (const name of ['acme/data', String(id)]) {
    const pages: number[] = [];
    for (let page = 1; page <= 3; page++) {
      const query = `Revision=master&Recursive=True&PageNumber=${page}&PageSize=3`;
      pages.push((await data<{ Files: File[] }>(`datasets/${name}/repo/tree?${query}`)).Files.length);
    }
    assert.deepEqual(pages, [3, 3, 1]);
  }
  const file = await api('datasets/acme/data/repo?Source=SDK&Revision=master&FilePath=f3.txt&View=False');
  assert.equal(file.text(), '3');
  assert.equal((await api('models/acme/data')).status, 404);
});

test('(51) a private repository opens by Bearer or by cookie, either alone', async () => {
  hub.putRepo({ id: 'acme/private', private: true, revisions: { master: { 'a.txt': 'x' } } });
  hub.addToken('ms-ok', { canRead: ['acme/private'] });
  hub.addToken('ms-other');
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await api('models/acme/private', { headers })).status;
  assert.equal(await status({ authorization: 'Bearer ms-ok' }), 200);
  assert.equal(await status({ cookie: 'csrf=1; m_session_id=ms-ok' }), 200);
  for (const expected of [401, 403, 404] as const) {
    hub.quirks.privateStatus = expected;
    assert.equal(await status({}), expected);
    assert.equal(await status({ authorization: 'Bearer ms-other' }), expected);
  }
  hub.grant('ms-other', 'acme/private');
  assert.equal(await status({ authorization: 'Bearer ms-other' }), 200);
  hub.revoke('ms-other', 'acme/private');
  assert.equal(await status({ authorization: 'Bearer ms-other' }), 404);
});

test('(52) login gives a git token and cookies', async () => {
  hub.addToken('ms-ok', { user: 'me' });
  const login = (token: string): Promise<Answer> =>
    api('login', { method: 'POST', body: JSON.stringify({ AccessToken: token }) });
  const answer = await login('ms-ok');
  assert.deepEqual((answer.json() as Envelope<unknown>).Data, {
    AccessToken: 'git-me',
    Username: 'me',
    Email: 'me@example.com',
  });
  assert.match(String(answer.headers['set-cookie']), /m_session_id=ms-ok/);
  assert.equal((await login('nope')).status, 401);
});

test('(53) the region hint answers with an empty address, or hangs', async () => {
  assert.deepEqual(await data('repos/internalAccelerationInfo'), { InternalRegionQueryAddress: '' });
  hub.faults.add({ kind: 'hang', match: { path: /internalAcceleration/ } });
  const signal = AbortSignal.timeout(20);
  await assert.rejects(api('repos/internalAccelerationInfo', { signal }), { name: 'AbortError' });
});

test('(54) 429 with Retry-After and bursts of 5xx come as faults', async () => {
  hub.faults.add({ kind: 'status', status: 429, headers: { 'retry-after': '3' }, times: 1 });
  hub.faults.add({ kind: 'status', status: 502, times: 2 });
  const limited = await download('config.json');
  assert.deepEqual([limited.status, limited.headers['retry-after']], [429, '3']);
  const statuses = [(await download('config.json')).status, (await download('config.json')).status];
  assert.deepEqual(statuses, [502, 200]);
});

test('(55) a branch that moves between listing and download no longer fits the listing', async () => {
  const stop = hub.onRequest(({ path }) => {
    if (path.includes('/repo?')) hub.commit(REPO, 'master', { 'config.json': '{"moved":true}' });
  });
  const listed = (await list()).find(({ Path }) => Path === 'config.json')?.Sha256;
  const { body } = await download('config.json');
  stop();
  const sha256 = await bytesContent(body).sha256();
  assert.notEqual(sha256, listed);
  assert.equal((await list()).find(({ Path }) => Path === 'config.json')?.Sha256, sha256);
});

test('(56) another site is another hub with repositories of its own', async () => {
  const other = await startModelScopeHub();
  try {
    assert.equal((await call(`${other.url}/api/v1/models/${REPO}`)).status, 404);
  } finally {
    await other.close();
  }
});

test('(57) the CDN refuses credentials with 400 and keeps count', async () => {
  const location = String((await download('w.bin')).headers.location);
  assert.equal((await call(location, { headers: { cookie: 'm_session_id=ms-ok' } })).status, 400);
  assert.equal(hub.stats().credentialLeaks, 1);
});

test('(58) corruption strikes the CDN and the gateway', async () => {
  hub.faults.add({ kind: 'corrupt', atByte: 0 });
  assert.equal((await download('config.json')).text(), 'z}');
  const { body } = await follow(`${hub.url}/models/${REPO}/resolve/master/w.bin`);
  assert.equal(body.length, WEIGHTS.sizeBytes);
  assert.notDeepEqual(body, await readAll(WEIGHTS));
});

test('hostile entries are listed as they were given', async () => {
  const hostile = [{ Path: '../evil', Type: 'blob', Size: -1 }];
  hub.injectEntries(REPO, hostile);
  assert.deepEqual((await list()).slice(-1), hostile);
});
