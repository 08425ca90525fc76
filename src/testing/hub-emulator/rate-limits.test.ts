import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HuggingFaceHubOptions, startHuggingFaceHub } from './hf-hub.ts';
import { bucketOf } from './rate-limits.ts';
import { call } from './test-client.ts';

async function withHub(options: HuggingFaceHubOptions, body: (url: string) => Promise<void>): Promise<void> {
  const hub = await startHuggingFaceHub(options);
  hub.putRepo({ id: 'a/b', revisions: { main: { 'f.txt': 'f' } } });
  hub.addToken('hf_t');
  try {
    await body(hub.url);
  } finally {
    await hub.close();
  }
}

test('(24) every answer announces its bucket, and buckets count apart, by address and by token', async () => {
  await withHub({ clock: () => 300_000 + 128_000 }, async (url) => {
    const info = await call(`${url}/api/models/a/b`);
    assert.equal(info.headers['ratelimit'], '"api";r=499;t=172');
    assert.equal(info.headers['ratelimit-policy'], '"fixed window";"api";q=500;w=300');
    const resolve = await call(`${url}/a/b/resolve/main/f.txt`);
    assert.equal(resolve.headers['ratelimit'], '"resolvers";r=2999;t=172');
    const missing = await call(`${url}/nothing`);
    assert.equal(missing.headers['ratelimit'], '"pages";r=99;t=172');
    const byToken = await call(`${url}/api/models/a/b`, { headers: { authorization: 'Bearer hf_t' } });
    assert.equal(byToken.headers['ratelimit'], '"api";r=999;t=172');
  });
});

test('(25) a spent quota is 429 until the window ends, without Retry-After', async () => {
  let nowMs = 0;
  await withHub({ clock: () => nowMs, quota: { anonymous: { resolvers: 2 } } }, async (url) => {
    const get = () => call(`${url}/a/b/resolve/main/f.txt`);
    await get();
    await get();
    nowMs = 299_000;
    const spent = await get();
    assert.equal(spent.status, 429);
    assert.equal(spent.headers['ratelimit'], '"resolvers";r=0;t=1');
    assert.equal(spent.headers['retry-after'], undefined);
    assert.equal((await call(`${url}/api/models/a/b`)).status, 200);
    nowMs = 300_000;
    assert.equal((await get()).status, 307);
  });
});

test('(25) Retry-After comes with it when asked for', async () => {
  await withHub({ clock: () => 1000, retryAfter: true, quota: { anonymous: { api: 0 } } }, async (url) => {
    assert.equal((await call(`${url}/api/models/a/b`)).headers['retry-after'], '299');
  });
});

test('(24) resolve and its cache are resolvers, the other API routes are not', () => {
  assert.equal(bucketOf('/a/b/resolve/main/f'), 'resolvers');
  assert.equal(bucketOf('/api/resolve-cache/models/a/b/x/f'), 'resolvers');
  assert.equal(bucketOf('/api/models/a/b/xet-read-token/main'), 'api');
  assert.equal(bucketOf('/a/b/raw/main/f'), 'pages');
});
