import assert from 'node:assert/strict';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { makeTestCertificate } from '../certificates/index.ts';
import { bytesContent } from './content.ts';
import { generatedContent } from './generated-content.ts';
import { type HuggingFaceHub, type HuggingFaceHubOptions, startHuggingFaceHub } from './hf-hub.ts';
import { call, follow } from './test-client.ts';

async function withHub(
  options: HuggingFaceHubOptions,
  body: (hub: HuggingFaceHub) => Promise<void>,
): Promise<void> {
  const hub = await startHuggingFaceHub(options);
  hub.putRepo({
    id: 'a/b',
    revisions: {
      main: { 'w.bin': { content: generatedContent({ seed: 1, sizeBytes: 200_000 }), lfs: true } },
    },
  });
  try {
    await body(hub);
  } finally {
    await hub.close();
  }
}

test('(36) the cap of a connection and the total hold on the wire, small files included', async () => {
  await withHub({ bandwidth: { perConnectionBytesPerSecond: 2_000_000 } }, async (hub) => {
    const startMs = performance.now();
    await follow(`${hub.url}/a/b/resolve/main/w.bin`);
    assert.ok(performance.now() - startMs >= 80);
  });
  await withHub({ bandwidth: { totalBytesPerSecond: 2_000_000 } }, async (hub) => {
    const startMs = performance.now();
    await Promise.all([1, 2].map(() => follow(`${hub.url}/a/b/resolve/main/w.bin`)));
    assert.ok(performance.now() - startMs >= 180);
  });
});

test('(38) a connection serves many requests, and more connections than allowed are closed', async () => {
  await withHub({ maxConnections: 1 }, async (hub) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    for (let turn = 0; turn < 3; turn++) {
      await new Promise<void>((resolve, reject) => {
        get(`${hub.url}/api/models/a/b`, { agent }, (res) => {
          ports.add(res.socket.localPort);
          res.resume().on('end', resolve);
        }).on('error', reject);
      });
    }
    assert.equal(ports.size, 1);
    const refused = connect(Number(new URL(hub.url).port), '127.0.0.1');
    await new Promise((resolve) =>
      refused
        .on('close', resolve)
        .on('error', () => undefined)
        .resume(),
    );
    agent.destroy();
  });
});

test('(38) both hosts speak TLS with a certificate of the test', async () => {
  const tls = makeTestCertificate();
  await withHub({ tls }, async (hub) => {
    assert.match(hub.url, /^https:/);
    assert.match(hub.cdnUrl, /^https:\/\/localhost:/);
    const answer = await follow(`${hub.url}/a/b/resolve/main/w.bin`, { ca: tls.cert });
    assert.equal(answer.body.length, 200_000);
    await assert.rejects(call(hub.url), /self-signed/);
    hub.faults.add({ kind: 'reset' });
    await assert.rejects(call(hub.url, { ca: tls.cert }), { code: 'ECONNRESET' });
  });
});

test('a client that goes away in the middle of a file is noticed, and what it got is counted', async () => {
  await withHub({}, async (hub) => {
    const content = generatedContent({ seed: 2, sizeBytes: 2 ** 40, sha256: 'ab'.repeat(32) });
    hub.putRepo({ id: 'a/big', revisions: { main: { 'big.bin': content } } });
    const location = String((await call(`${hub.url}/a/big/resolve/main/big.bin`)).headers.location);
    const response = await fetch(location);
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    const entry = hub.log.at(-1);
    assert.ok(entry?.host === 'cdn');
    while (!entry.ended) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(entry.complete, false);
    assert.ok(entry.bytesSent > 0 && entry.bytesSent < 2 ** 30);
  });
});

test('closing twice is fine, and closes connections that are busy', async () => {
  const hub = await startHuggingFaceHub();
  hub.putRepo({ id: 'a/b', revisions: { main: { 'f.txt': { content: bytesContent('x'), lfs: true } } } });
  hub.faults.add({ kind: 'hang' });
  const hanging = call(`${hub.url}/api/models/a/b`);
  const closed = new Promise((resolve) => hub.onRequest(resolve)).then(() => hub.close());
  await assert.rejects(hanging, { code: 'ECONNRESET' });
  await closed;
  await hub.close();
});
