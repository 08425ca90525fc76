import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { bytesContent, readAll } from './content.ts';
import { generatedContent } from './generated-content.ts';
import { type HuggingFaceHub, startHuggingFaceHub } from './hf-hub.ts';
import { type Answer, call, follow } from './test-client.ts';

const REPO = 'acme/demo';
const WEIGHTS = generatedContent({ seed: 'w', sizeBytes: 2_500_000 });
const TEXT = 'text '.repeat(1000);
let hub: HuggingFaceHub;
let nowMs = 0;

before(async () => {
  hub = await startHuggingFaceHub({
    clock: () => nowMs,
    signedUrlTtlMs: 60_000,
    warning: 'Topic; be warned',
    quota: { anonymous: { api: 1e6, resolvers: 1e6 } },
  });
  hub.putRepo({ id: REPO, revisions: { main: { 'a.txt': TEXT, 'w.bin': WEIGHTS, 'empty.txt': '' } } });
});
after(() => hub.close());
beforeEach(() => {
  nowMs = 1_000_000;
  hub.resetLog();
});

function resolve(path: string, options: Parameters<typeof call>[1] = {}): Promise<Answer> {
  return call(`${hub.url}/${REPO}/resolve/main/${path}`, options);
}

test('(11) a small file is a relative redirect to the resolve cache, then 200', async () => {
  const sha1 = await bytesContent(TEXT).gitSha1();
  const first = await resolve('a.txt');
  assert.equal(first.status, 307);
  assert.match(
    String(first.headers.location),
    new RegExp(`^/api/resolve-cache/models/${REPO}/${hub.sha(REPO)}/a\\.txt`),
  );
  assert.equal(first.headers['x-linked-etag'], `"${sha1}"`);
  assert.equal(first.headers['accept-ranges'], 'bytes');
  assert.notEqual(first.headers['content-length'], String(TEXT.length));
  const second = await call(hub.url + String(first.headers.location));
  assert.equal(second.status, 200);
  assert.equal(second.text(), TEXT);
  assert.equal(second.headers.etag, `"${sha1}"`);
  assert.equal(second.headers['x-repo-commit'], hub.sha(REPO));
});

test('(12) an LFS file is an absolute redirect to another hostname, whose own length misleads', async () => {
  const answer = await resolve('w.bin');
  assert.equal(answer.status, 302);
  const location = new URL(String(answer.headers.location));
  assert.equal(location.origin, hub.cdnUrl);
  assert.notEqual(location.hostname, new URL(hub.url).hostname);
  assert.equal(answer.headers['x-linked-etag'], `"${await WEIGHTS.sha256()}"`);
  assert.equal(answer.headers['x-linked-size'], '2500000');
  assert.equal(answer.headers['x-repo-commit'], hub.sha(REPO));
  assert.match(String(answer.headers['x-xet-hash']), /^[0-9a-f]{64}$/);
  assert.match(
    String(answer.headers['link']),
    /xet-read-token\/[0-9a-f]{40}>; rel="xet-auth", <http.*rel="xet-reconst/,
  );
  assert.equal(Number(answer.headers['content-length']), answer.body.length);
  assert.ok(answer.body.length > 0 && answer.body.length < 2000);
  assert.deepEqual((await call(location.href)).body, await readAll(WEIGHTS));
});

test('(13) signed URLs differ, serve until they expire, then 403 with XML; a forged one never works', async () => {
  const [one, two] = [await resolve('w.bin'), await resolve('w.bin')].map(({ headers }) =>
    String(headers.location),
  );
  assert.ok(one && two);
  assert.notEqual(one, two);
  nowMs += 59_999;
  assert.equal((await call(one, { method: 'HEAD' })).status, 200);
  nowMs += 1;
  const expired = await call(one);
  assert.equal(expired.status, 403);
  assert.match(expired.text(), /^<\?xml .*<Code>AccessDenied</s);
  assert.equal((await call(one.replace(/Policy=\d+/, 'Policy=99999999999'))).status, 403);
});

test('(14) the CDN refuses credentials with 400 and keeps count', async () => {
  const location = String((await resolve('w.bin')).headers.location);
  for (const headers of [{ authorization: 'Bearer hf_x' }, { cookie: 'a=b' }]) {
    assert.equal((await call(location, { headers })).status, 400);
  }
  assert.equal(hub.stats().credentialLeaks, 2);
});

test('(15) the CDN names the content by its Xet hash, never by the SHA-256', async () => {
  const first = await resolve('w.bin');
  const { etag } = (await call(String(first.headers.location), { method: 'HEAD' })).headers;
  assert.equal(etag, `"${first.headers['x-xet-hash'] as string}"`);
  assert.notEqual(etag, first.headers['x-linked-etag']);
});

test('(16) the CDN answers one range with 206, a suffix too, 416 past the end, many ranges with all', async () => {
  const location = String((await resolve('w.bin')).headers.location);
  const whole = await readAll(WEIGHTS);
  const get = (range: string): Promise<Answer> => call(location, { headers: { range } });
  const middle = await get('bytes=1048570-1048590');
  assert.equal(middle.status, 206);
  assert.equal(middle.headers['content-range'], 'bytes 1048570-1048590/2500000');
  assert.deepEqual(middle.body, whole.subarray(1_048_570, 1_048_591));
  assert.deepEqual((await get('bytes=-10')).body, whole.subarray(-10));
  const past = await get('bytes=2500000-');
  assert.equal(past.status, 416);
  assert.equal(past.headers['content-range'], 'bytes */2500000');
  assert.equal((await get('bytes=0-1,5-6')).status, 200);
});

test('(17) small text goes out compressed to who accepts it: no length, no ranges, a weak tag', async () => {
  const location = hub.url + String((await resolve('a.txt')).headers.location);
  const zipped = await call(location, { headers: { 'accept-encoding': 'gzip, deflate' } });
  assert.equal(zipped.headers['content-encoding'], 'gzip');
  assert.equal(zipped.headers['content-length'], undefined);
  assert.equal(zipped.headers['accept-ranges'], undefined);
  assert.match(String(zipped.headers.etag), /^W\//);
  assert.equal(gunzipSync(zipped.body).toString(), TEXT);
  const identity = await call(location, { headers: { 'accept-encoding': 'identity' } });
  assert.equal(identity.headers['content-length'], String(TEXT.length));
});

test('(18) HEAD has the headers of GET, and If-None-Match gets 304', async () => {
  const volatile = ['location', 'date', 'x-request-id', 'ratelimit', 'content-length', 'connection'];
  const stable = ({ headers }: Answer): [string, unknown][] =>
    Object.entries(headers).filter(([name]) => !volatile.includes(name));
  for (const path of ['a.txt', 'w.bin']) {
    const get = await resolve(path);
    const head = await resolve(path, { method: 'HEAD' });
    assert.deepEqual(stable(head), stable(get));
    assert.equal(head.body.length, 0);
    const etag = String(get.headers['x-linked-etag']);
    const same = await resolve(path, { headers: { 'if-none-match': `W/${etag}` } });
    assert.equal(same.status, 304);
    assert.equal((await resolve(path, { headers: { 'if-none-match': '"other"' } })).status, get.status);
  }
});

test('(19) who accepts the Xet file info gets it instead of the redirect', async () => {
  const accept = 'application/vnd.xet-fileinfo+json, */*';
  const answer = await resolve('w.bin', { headers: { accept, range: 'bytes=0-0' } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'application/vnd.xet-fileinfo+json');
  assert.equal(answer.headers['x-linked-size'], '2500000');
  assert.match(String(answer.headers['link']), /rel="xet-auth"/);
});

test('(26) an empty file has the git id of nothing, length 0, and 416 or 200 for a range', async () => {
  const head = await follow(`${hub.url}/${REPO}/resolve/main/empty.txt`, { method: 'HEAD' });
  assert.equal(head.headers.etag, '"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"');
  assert.equal(head.headers['content-length'], '0');
  const range = { headers: { range: 'bytes=0-0' } };
  assert.equal((await follow(`${hub.url}/${REPO}/resolve/main/empty.txt`, range)).status, 416);
  const lenient = await startHuggingFaceHub({ emptyRange: '200' });
  try {
    lenient.putRepo({ id: REPO, revisions: { main: { 'empty.txt': '' } } });
    const answer = await follow(`${lenient.url}/${REPO}/resolve/main/empty.txt`, range);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-range'], 'bytes */0');
  } finally {
    await lenient.close();
  }
});

test('(27) odd names survive: spaces, plus, hash, percent, other scripts, deep folders', async () => {
  const names = [
    'a b.txt',
    'a+b.txt',
    'a#b.txt',
    '100%.txt',
    '%41.txt',
    'ünï/日本.txt',
    'd/e/e/p/x.txt',
    'q?x=1.txt',
  ];
  hub.putRepo({ id: 'acme/odd', revisions: { main: Object.fromEntries(names.map((name) => [name, name])) } });
  for (const name of names) {
    const path = name.split('/').map(encodeURIComponent).join('/');
    assert.equal((await follow(`${hub.url}/acme/odd/resolve/main/${path}`)).text(), name);
  }
  const listed = (await call(`${hub.url}/api/models/acme/odd/tree/main?recursive=true`)).json() as {
    type: string;
    path: string;
  }[];
  const files = listed.filter(({ type }) => type === 'file').map(({ path }) => path);
  assert.deepEqual(files.sort(), [...names].sort());
  assert.equal((await call(`${hub.url}/acme/odd/resolve/main/%zz`)).status, 400);
});

test('(28) a file beyond 50 GB costs neither memory nor hashing, and serves its last bytes', async () => {
  const sha256 = 'ab'.repeat(32);
  const sizeBytes = 60e9;
  const huge = generatedContent({ seed: 'huge', sizeBytes, sha256 });
  hub.putRepo({ id: 'acme/huge', revisions: { main: { 'huge.bin': huge } } });
  const head = await call(`${hub.url}/acme/huge/resolve/main/huge.bin`, { method: 'HEAD' });
  assert.equal(head.headers['x-linked-size'], '60000000000');
  assert.equal(head.headers['x-linked-etag'], `"${sha256}"`);
  const tail = await call(String(head.headers.location), { headers: { range: 'bytes=-5' } });
  assert.equal(tail.headers['content-range'], 'bytes 59999999995-59999999999/60000000000');
  assert.equal(tail.body.length, 5);
});

test('(40) every answer has a request id of its own and the warning; unknown query parameters do no harm', async () => {
  const [one, two] = [await resolve('a.txt?download=true&foo=bar'), await resolve('nope')];
  assert.equal(one?.status, 307);
  assert.equal(one?.headers['x-hf-warning'], 'Topic; be warned');
  assert.match(String(one?.headers['x-request-id']), /^Root=/);
  assert.notEqual(one?.headers['x-request-id'], two?.headers['x-request-id']);
});

test('the log has every request with its status, range and bytes, and the counters agree', async () => {
  await follow(`${hub.url}/${REPO}/resolve/main/w.bin`, { headers: { range: 'bytes=0-99' } });
  const [first, second] = hub.log;
  assert.deepEqual(
    [first, second].map((entry) => [entry?.host, entry?.method, entry?.status, entry?.range]),
    [
      ['hub', 'GET', 302, 'bytes=0-99'],
      ['cdn', 'GET', 206, 'bytes=0-99'],
    ],
  );
  assert.equal(second?.bytesSent, 100);
  assert.equal(second.complete, true);
  const { requests, hubRequests, cdnRequests, contentBytesSent, byStatus } = hub.stats();
  assert.deepEqual(
    { requests, hubRequests, cdnRequests, contentBytesSent },
    {
      requests: 2,
      hubRequests: 1,
      cdnRequests: 1,
      contentBytesSent: 100,
    },
  );
  assert.deepEqual(byStatus, { 206: 1, 302: 1 });
});
