import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { bytesContent } from './content.ts';
import { type HuggingFaceHub, startHuggingFaceHub } from './hf-hub.ts';
import { call, follow } from './test-client.ts';

interface Entry {
  readonly type: string;
  readonly path: string;
  readonly oid: string;
  readonly size: number;
  readonly lfs?: { oid: string; size: number; pointerSize: number };
  readonly xetHash?: string;
}

let hub: HuggingFaceHub;
const REPO = 'acme/Demo';

before(async () => {
  hub = await startHuggingFaceHub({ pageSize: 3, quota: { anonymous: { api: 1e6, resolvers: 1e6 } } });
});
after(() => hub.close());
beforeEach(() => {
  hub.putRepo({
    id: REPO,
    renamedFrom: ['acme/middle', 'old-name'],
    revisions: {
      main: {
        'config.json': '{}',
        'w.bin': { content: bytesContent('weights'), lfs: true },
        'dir/deep/a.txt': 'a',
        'dir/b.txt': 'b',
      },
      'refs/pr/1': { 'config.json': '{"pr":1}' },
      'refs/convert/parquet': { 'p.parquet': 'p' },
    },
    tags: { v1: 'main' },
  });
});

async function entries(path: string): Promise<Entry[]> {
  return (await call(`${hub.url}/api/models/${REPO}/${path}`)).json() as Entry[];
}

test('(1) each type has its own routes, models without a prefix', async () => {
  for (const type of ['dataset', 'space', 'kernel'] as const) {
    hub.putRepo({ type, id: 'acme/x', revisions: { main: { 'f.txt': type } } });
    const info = await call(`${hub.url}/api/${type}s/acme/x`);
    assert.equal((info.json() as { id: string }).id, 'acme/x');
    assert.equal((await follow(`${hub.url}/${type}s/acme/x/resolve/main/f.txt`)).text(), type);
  }
  assert.equal((await call(`${hub.url}/api/models/acme/x`)).status, 401);
});

test('(1) a wrong letter case is sent to the canonical id by a relative 307, for API and files', async () => {
  const api = await call(`${hub.url}/api/models/ACME/demo/revision/main?blobs=1`);
  assert.equal(api.status, 307);
  assert.equal(api.headers.location, '/api/models/acme/Demo/revision/main?blobs=1');
  const file = await call(`${hub.url}/acme/demo/resolve/main/dir/b.txt?x=1`, { method: 'HEAD' });
  assert.equal(file.headers.location, '/acme/Demo/resolve/main/dir/b.txt?x=1');
});

test('(2) a former id takes two hops, and a canonical id without a slash works', async () => {
  const first = await call(`${hub.url}/api/models/old-name/tree/main/dir%2Fdeep?a=b`);
  assert.equal(first.headers.location, '/api/models/acme/middle/tree/main/dir%2Fdeep?a=b');
  assert.equal((await follow(`${hub.url}/old-name/resolve/main/dir/b.txt`)).text(), 'b');
});

test('(3) branch, tag, sha, prefix and pull requests, encoded or not, all resolve', async () => {
  const main = hub.sha(REPO);
  const pull = hub.sha(REPO, 'refs/pr/1');
  const revisions: [string, string][] = [
    ['main', main],
    ['v1', main],
    [main, main],
    [main.slice(0, 7), main],
    ['refs%2Fpr%2F1', pull],
    ['refs/pr/1', pull],
    ['refs/convert/parquet', hub.sha(REPO, 'refs/convert/parquet')],
  ];
  for (const [revision, sha] of revisions) {
    const info = (await call(`${hub.url}/api/models/${REPO}/revision/${revision}`)).json() as { sha: string };
    assert.equal(info.sha, sha, revision);
  }
  assert.equal((await follow(`${hub.url}/${REPO}/resolve/refs/pr/1/config.json`)).text(), '{"pr":1}');
});

test('(3) an unknown revision is RevisionNotFound', async () => {
  for (const revision of ['nope', main6(), 'refs%2Fpr%2F9']) {
    const answer = await call(`${hub.url}/api/models/${REPO}/revision/${revision}`);
    assert.equal(answer.status, 404);
    assert.equal(answer.headers['x-error-code'], 'RevisionNotFound');
    assert.match(String(answer.headers['x-error-message']), /^Invalid rev id: /);
  }
});

function main6(): string {
  return hub.sha(REPO).slice(0, 6);
}

test('(4) a branch moves between two requests', async () => {
  const url = `${hub.url}/${REPO}/resolve/main/config.json`;
  const stop = hub.onRequest(({ path }) => {
    if (path.includes('/tree/')) hub.commit(REPO, 'main', { 'config.json': '{"new":true}' });
  });
  const before = (await call(url, { method: 'HEAD' })).headers['x-repo-commit'];
  await entries('tree/main');
  stop();
  const moved = await call(url, { method: 'HEAD' });
  assert.notEqual(moved.headers['x-repo-commit'], before);
  assert.equal(moved.headers['x-repo-commit'], hub.sha(REPO));
});

test('(5) info lists siblings, with sizes and lfs.sha256 only when blobs are asked for', async () => {
  const plain = (await call(`${hub.url}/api/models/${REPO}`)).json() as { siblings: unknown[] };
  assert.deepEqual(plain.siblings[0], { rfilename: 'config.json' });
  const blobs = (await call(`${hub.url}/api/models/${REPO}?blobs=true`)).json() as {
    siblings: { rfilename: string; size: number; lfs?: { sha256: string } }[];
  };
  const weights = blobs.siblings.find(({ rfilename }) => rfilename === 'w.bin');
  assert.equal(weights?.lfs?.sha256, createHash('sha256').update('weights').digest('hex'));
  assert.equal(weights.size, 7);
});

test('(6) the oid of an LFS file is the git id of its pointer, which /raw/ shows', async () => {
  const all = await entries('tree/main?recursive=true&limit=3');
  const file = [...all, ...(await entries('tree/main'))].find(({ path }) => path === 'w.bin');
  const pointer = await call(`${hub.url}/${REPO}/raw/main/w.bin`);
  assert.match(
    pointer.text(),
    /^version https:\/\/git-lfs\.github\.com\/spec\/v1\noid sha256:[0-9a-f]{64}\nsize 7\n$/,
  );
  assert.equal(file?.lfs?.pointerSize, pointer.body.length);
  assert.equal(file.oid, await bytesContent(pointer.text()).gitSha1());
  assert.equal(file.lfs.oid, await bytesContent('weights').sha256());
});

test('(7) the tree comes in pages by an absolute Link with an opaque cursor', async () => {
  const paths: string[] = [];
  let url: string | undefined = `${hub.url}/api/models/${REPO}/tree/main?recursive=true`;
  let pages = 0;
  while (url) {
    const page = await call(url);
    pages++;
    paths.push(...(page.json() as Entry[]).map(({ path }) => path));
    url = /^<(http:\/\/127\.0\.0\.1:\d+\/[^>]+)>; rel="next"$/.exec(String(page.headers['link'] ?? ''))?.[1];
  }
  assert.equal(pages, 2);
  assert.deepEqual(paths, ['config.json', 'dir', 'dir/b.txt', 'dir/deep', 'dir/deep/a.txt', 'w.bin']);
});

test('(8) a folder may be encoded with %2F; an absent path or a file is EntryNotFound with the commit', async () => {
  const [entry] = await entries('tree/main/dir%2Fdeep');
  assert.equal(entry?.path, 'dir/deep/a.txt');
  for (const path of ['nope', 'config.json']) {
    const answer = await call(`${hub.url}/api/models/${REPO}/tree/main/${path}`);
    assert.equal(answer.status, 404);
    assert.equal(answer.headers['x-error-code'], 'EntryNotFound');
    assert.equal(answer.headers['x-repo-commit'], hub.sha(REPO));
  }
});

test('(9) paths-info takes a form and JSON, and omits unknown paths', async () => {
  const url = `${hub.url}/api/models/${REPO}/paths-info/main`;
  const form = await call(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'paths=w.bin&paths=nope&expand=False',
  });
  const json = await call(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ paths: ['w.bin', 'nope'], expand: false }),
  });
  assert.deepEqual(
    (form.json() as Entry[]).map(({ path }) => path),
    ['w.bin'],
  );
  assert.deepEqual(form.json(), json.json());
});

test('(10) refs list branches, tags and converts; pull requests only when asked', async () => {
  const refs = (await call(`${hub.url}/api/models/${REPO}/refs`)).json() as Record<string, { ref: string }[]>;
  assert.equal(refs['branches']?.[0]?.ref, 'refs/heads/main');
  assert.equal(refs['tags']?.[0]?.ref, 'refs/tags/v1');
  assert.equal(refs['converts']?.[0]?.ref, 'refs/convert/parquet');
  assert.equal(refs['pullRequests'], undefined);
  const withPulls = (await call(`${hub.url}/api/models/${REPO}/refs?include_prs=1`)).json() as typeof refs;
  assert.equal(withPulls['pullRequests']?.[0]?.ref, 'refs/pr/1');
});

test('(29) an old repository announces no Xet', async () => {
  assert.ok((await entries('tree/main/?limit=3')).some(({ xetHash }) => xetHash));
  hub.putRepo({ id: 'acme/old', xet: false, revisions: { main: { 'w.bin': { content: 'w', lfs: true } } } });
  const [entry] = (await call(`${hub.url}/api/models/acme/old/tree/main`)).json() as Entry[];
  assert.equal(entry?.xetHash, undefined);
  const head = await call(`${hub.url}/acme/old/resolve/main/w.bin`, { method: 'HEAD' });
  assert.equal(head.headers['x-xet-hash'], undefined);
  assert.equal(head.headers['link'], undefined);
});

test('(30) the Xet token comes in headers and in JSON', async () => {
  const answer = await call(`${hub.url}/api/models/${REPO}/xet-read-token/main`);
  const { accessToken, casUrl, exp } = answer.json() as { accessToken: string; casUrl: string; exp: number };
  assert.equal(answer.headers['x-xet-access-token'], accessToken);
  assert.equal(answer.headers['x-xet-cas-url'], casUrl);
  assert.equal(answer.headers['x-xet-token-expiration'], String(exp));
});

test('(37) whoami, auth-check, and the noise routes that clients call', async () => {
  hub.addToken('hf_me', { user: 'me' });
  const headers = { authorization: 'Bearer hf_me' };
  assert.equal(((await call(`${hub.url}/api/whoami-v2`, { headers })).json() as { name: string }).name, 'me');
  assert.equal((await call(`${hub.url}/api/whoami-v2`)).status, 401);
  assert.equal((await call(`${hub.url}/api/models/${REPO}/auth-check`)).status, 200);
  assert.equal((await call(`${hub.url}/api/agent-harnesses`)).status, 404);
  assert.equal((await call(`${hub.url}/api/telemetry/x`, { method: 'HEAD' })).status, 404);
});

test('(39) what a moved branch had stays reachable by its sha; a deleted repository is gone', async () => {
  const old = hub.sha(REPO);
  hub.commit(REPO, 'main', { 'config.json': null, 'dir/b.txt': 'new b' });
  assert.equal((await follow(`${hub.url}/${REPO}/resolve/${old}/config.json`)).text(), '{}');
  assert.equal((await follow(`${hub.url}/${REPO}/resolve/main/dir/b.txt`)).text(), 'new b');
  assert.equal((await follow(`${hub.url}/${REPO}/resolve/main/config.json`)).status, 404);
  hub.deleteRepo(REPO);
  assert.equal((await call(`${hub.url}/${REPO}/resolve/${old}/config.json`)).status, 401);
});

test('hostile entries are listed as they were given', async () => {
  const hostile = [
    { type: 'file', path: '../evil', size: -1, oid: 'x' },
    { type: 'file', path: '/etc/passwd', size: 1e30, oid: 'x' },
    { type: 'file', path: 'config.json', size: 2, oid: 'x' },
  ];
  hub.injectEntries(REPO, hostile);
  assert.deepEqual((await entries('tree/main')).slice(-3), hostile);
  const info = (await call(`${hub.url}/api/models/${REPO}`)).json() as { siblings: { rfilename: string }[] };
  assert.ok(info.siblings.some(({ rfilename }) => rfilename === '../evil'));
});
