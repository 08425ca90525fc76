import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { readAll } from './content.ts';
import { generatedContent } from './generated-content.ts';
import { type HuggingFaceHub, startHuggingFaceHub } from './hf-hub.ts';
import { type Answer, call, follow } from './test-client.ts';

const WEIGHTS = generatedContent({ seed: 'faults', sizeBytes: 2_000_000 });
let hub: HuggingFaceHub;
let whole: Buffer;

beforeEach(async () => {
  whole = await readAll(WEIGHTS);
  hub = await startHuggingFaceHub();
  hub.putRepo({ id: 'a/b', revisions: { main: { 'w.bin': WEIGHTS, 'small.txt': 'small text' } } });
});
afterEach(() => hub.close());

function weights(options: Parameters<typeof call>[1] = {}): Promise<Answer> {
  return follow(`${hub.url}/a/b/resolve/main/w.bin`, options);
}

test('(34) a cut ends the body after N bytes, as often as asked', async () => {
  const fault = hub.faults.add({
    kind: 'cut',
    afterBytes: 700_000,
    times: 1,
    match: { host: 'cdn', path: /w\.bin/ },
  });
  const cut = await weights();
  assert.equal(cut.complete, false);
  assert.deepEqual(cut.body, whole.subarray(0, 700_000));
  assert.equal(fault.hits, 1);
  assert.deepEqual((await weights()).body, whole);
});

test('(34) a cut behind the end of a range is not used up', async () => {
  hub.faults.add({ kind: 'cut', afterBytes: 1000, times: 1 });
  assert.equal((await weights({ headers: { range: 'bytes=0-99' } })).complete, true);
  assert.equal((await weights()).complete, false);
});

test('(34) a reset breaks the connection before the answer, or within the body', async () => {
  const before = hub.faults.add({ kind: 'reset', match: { host: 'hub' } });
  await assert.rejects(weights(), { code: 'ECONNRESET' });
  before.remove();
  hub.faults.add({ kind: 'cut-reset', afterBytes: 10, match: { host: 'cdn' } });
  const cut = await weights().catch((error: unknown) => error);
  assert.ok(cut instanceof Error || (cut as Answer).complete === false);
});

test('(34) a stall sends its first bytes and then nothing, with the connection open', async () => {
  hub.faults.add({ kind: 'stall', afterBytes: 100, match: { host: 'cdn' } });
  const location = String((await call(`${hub.url}/a/b/resolve/main/w.bin`)).headers.location);
  const response = await fetch(location);
  const reader = response.body?.getReader();
  assert.equal((await reader?.read())?.value?.length, 100);
  const next = reader?.read();
  const turn = new Promise((resolve) => setImmediate(resolve, 'nothing'));
  assert.equal(await Promise.race([next, turn]), 'nothing');
  await hub.close();
  await assert.rejects(next ?? Promise.resolve());
});

test('(34) a stall with an end goes on', async () => {
  hub.faults.add({ kind: 'stall', afterBytes: 100, forMs: 5, match: { host: 'cdn' } });
  assert.deepEqual((await weights()).body, whole);
});

test('(34) a delay comes before the answer, a hang instead of it', async () => {
  hub.faults.add({ kind: 'delay', delayMs: 20, times: 1, match: { method: 'HEAD' } });
  const startMs = performance.now();
  assert.equal((await call(`${hub.url}/a/b/resolve/main/w.bin`, { method: 'HEAD' })).status, 302);
  assert.ok(performance.now() - startMs >= 19);
  hub.faults.add({ kind: 'hang', match: { path: /small/ } });
  const signal = AbortSignal.timeout(20);
  await assert.rejects(call(`${hub.url}/a/b/resolve/main/small.txt`, { signal }), { name: 'AbortError' });
});

test('(34) bursts of 5xx strike what they match and let the first requests through if asked', async () => {
  hub.faults.add({ kind: 'status', status: 503, headers: { 'retry-after': '2' }, skip: 1, times: 2 });
  const get = async (): Promise<Answer> => call(`${hub.url}/api/models/a/b`);
  assert.deepEqual(
    [await get(), await get(), await get(), await get()].map(({ status }) => status),
    [200, 503, 503, 200],
  );
});

test('(34) a trickle sends no faster than it says', async () => {
  hub.faults.add({ kind: 'trickle', bytesPerSecond: 100_000, match: { host: 'cdn' } });
  const startMs = performance.now();
  const answer = await weights({ headers: { range: 'bytes=0-9999' } });
  assert.equal(answer.body.length, 10_000);
  assert.ok(performance.now() - startMs >= 75);
});

test('(34) a wrong Content-Length promises more or less than comes', async () => {
  const more = hub.faults.add({ kind: 'wrong-length', deltaBytes: 10, match: { host: 'cdn' } });
  const long = await weights();
  assert.equal(long.headers['content-length'], '2000010');
  assert.equal(long.complete, false);
  more.remove();
  hub.faults.add({ kind: 'wrong-length', deltaBytes: -10, match: { host: 'cdn' } });
  const short = await weights().catch((error: unknown) => error);
  if (!(short instanceof Error)) assert.equal((short as Answer).body.length, 1_999_990);
});

test('(35) corruption flips one byte at an offset, with the right length, once or always', async () => {
  hub.faults.add({ kind: 'corrupt', atByte: 1_500_000, times: 1, match: { host: 'cdn' } });
  const spared = await weights({ headers: { range: 'bytes=0-1499999' } });
  assert.deepEqual(spared.body, whole.subarray(0, 1_500_000));
  const struck = await weights({ headers: { range: 'bytes=1400000-1600000' } });
  assert.equal(struck.body.length, 200_001);
  const wrong = [...struck.body.keys()].filter((index) => struck.body[index] !== whole[1_400_000 + index]);
  assert.deepEqual(wrong, [100_000]);
  assert.deepEqual((await weights()).body, whole);
  hub.faults.add({ kind: 'corrupt' });
  for (let round = 0; round < 2; round++) {
    const { body, complete } = await weights();
    assert.ok(complete && body.length === whole.length && !body.equals(whole));
  }
});

test('(35) corruption reaches small files on the hub too', async () => {
  hub.faults.add({ kind: 'corrupt', atByte: 0, match: { host: 'hub' } });
  assert.equal((await follow(`${hub.url}/a/b/resolve/main/small.txt`)).text(), 'rmall text');
});

test('faults can be cleared', async () => {
  hub.faults.add({ kind: 'status', status: 500 });
  hub.faults.clear();
  assert.deepEqual((await weights()).body, whole);
});
