import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { call, follow } from './test-client.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

interface Started {
  readonly url: string;
  readonly cdnUrl: string;
  readonly adminUrl: string;
  readonly pid: number;
  readonly repos: Record<string, Record<string, string>>;
}

async function withProcess(
  options: unknown,
  body: (started: Started, child: ChildProcess) => Promise<void>,
): Promise<void> {
  const child = spawn(process.execPath, [MAIN, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    await body(JSON.parse(line) as Started, child);
  } finally {
    child.kill();
    await exited;
  }
}

test('the process serves a generated model, and its admin port reads counters and adds faults', async () => {
  const repo = {
    id: 'acme/demo',
    model: { sizeBytes: 3_000_000, shards: 2, seed: 's' },
    manyFiles: { count: 3, fileBytes: 100, seed: 's' },
    revisions: {
      main: { 'extra.txt': 'hello', 'e.bin': { generated: { seed: 1, sizeBytes: 10 }, lfs: true } },
    },
  };
  await withProcess({ repos: [repo], tokens: { hf_x: {} } }, async ({ url, adminUrl, repos, pid }, child) => {
    assert.equal(pid, child.pid);
    const file = `${url}/acme/demo/resolve/main/model-00002-of-00002.safetensors`;
    const head = await call(file, { method: 'HEAD' });
    assert.equal(head.headers['x-repo-commit'], repos['acme/demo']?.['main']);
    assert.equal((await follow(file)).body.length, 1_500_000);
    const [first, last] = ['00000', '00002'].map((number) => `${url}/acme/demo/resolve/main/part-${number}`);
    const parts = [(await follow(first ?? '')).body, (await follow(last ?? '')).body];
    assert.deepEqual(
      parts.map((body) => body.length),
      [100, 100],
    );
    assert.notDeepEqual(parts[0], parts[1]);
    const stats = (await call(`${adminUrl}/stats`)).json() as { requests: number; contentBytesSent: number };
    assert.deepEqual([stats.requests, stats.contentBytesSent], [7, 1_500_200]);

    const post = (path: string, value: unknown) =>
      call(adminUrl + path, { method: 'POST', body: JSON.stringify(value) });
    const fault = { kind: 'cut', afterBytes: 10, times: 1, match: { host: 'cdn', path: '00002-of' } };
    assert.equal((await post('/faults', fault)).status, 200);
    assert.equal((await follow(file)).complete, false);
    assert.equal((await post('/faults', { kind: 'nonsense' })).status, 400);

    const moved = (
      await post('/commit', { repo: 'acme/demo', branch: 'main', files: { 'extra.txt': 'bye' } })
    ).json();
    const extra = await follow(`${url}/acme/demo/resolve/main/extra.txt`);
    assert.equal(extra.text(), 'bye');
    assert.equal(extra.headers['x-repo-commit'], (moved as { sha: string }).sha);
    await post('/reset', {});
    assert.deepEqual((await call(`${adminUrl}/log`)).json(), []);
    assert.equal((await call(`${adminUrl}/nothing`)).status, 404);
  });
});

test('the process plays ModelScope, and ends with its parent if asked', async () => {
  const options = {
    kind: 'modelscope',
    exitWithStdin: true,
    options: { quirks: { missingFile: 200 } },
    repos: [{ id: 'acme/demo', revisions: { master: { 'a.txt': 'x' } } }],
  };
  await withProcess(options, async ({ url }, child) => {
    assert.equal((await call(`${url}/models/acme/demo/resolve/master/a.txt`)).text(), 'x');
    assert.equal((await call(`${url}/models/acme/demo/resolve/master/nope`)).status, 200);
    const exited = once(child, 'exit');
    child.stdin?.end();
    assert.deepEqual(await exited, [0, null]);
  });
});

test('unknown options are an error, not a silence', async () => {
  const child = spawn(process.execPath, [MAIN, '{"pageSise":3}'], { stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number];
  assert.notEqual(code, 0);
});
