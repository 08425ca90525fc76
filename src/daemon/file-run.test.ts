// A file that is streamed: chunk by chunk, as fast as whoever takes the events does.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createManifest, type Digest, digestOf, parseRepoPath } from '../core/index.ts';
import type { DownloadEvent } from '../rpc/index.ts';
import { FAKE_COMMIT, FAKE_REF } from '../testing/fake-source/index.ts';
import { type Fetching, FileRun } from './file-run.ts';

const CONTENT = Buffer.from('one two three');
const digest = digestOf('sha256', CONTENT);
const manifest = createManifest([{ path: parseRepoPath('a.bin'), sizeBytes: CONTENT.length, digest }]);
const STALL_MS = 5_000;

interface Setup {
  readonly wanted?: Digest;
  /** Before the second chunk. */
  readonly gate?: Promise<void>;
}

function runOf(context: TestContext, { wanted, gate }: Setup = {}) {
  context.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const session: Fetching = {
    snapshot: { id: manifest.id, ref: { ...FAKE_REF, revision: FAKE_COMMIT, restricted: false }, manifest },
    counters: { fromPeers: 0, fromOrigin: 0, fromCache: 0 },
    held: { bytes: 0 },
    tasks: new Map(),
    exchange: { neighbours: 0 },
    waitFor: () => assert.fail('what is streamed is waited for by its reader'),
  };
  const taken: number[] = [];
  const reader = {
    async *bytes(_signal: AbortSignal, approve: () => Promise<void>) {
      yield CONTENT.subarray(0, 4);
      taken.push(4);
      await gate;
      yield CONTENT.subarray(4, 8);
      taken.push(8);
      await approve();
      yield CONTENT.subarray(8);
    },
  };
  const run = new FileRun({
    deps: {
      digestsOf: async () => [digest],
      onThrottled: () => () => undefined,
      originRequests: () => 0,
      now: () => Date.now(),
      stallMs: STALL_MS,
    },
    request: {
      url: 'fake://acme/model',
      include: [],
      exclude: [],
      overwrite: false,
      dryRun: false,
      stream: true,
      ...(wanted !== undefined && { digest: wanted }),
    },
    session,
    reader,
    destination: {
      path: undefined,
      has: async () => false,
      place: () => assert.fail('nothing is put out'),
      finish: async () => undefined,
    },
    found: { present: new Set(), refused: new Map() },
    signal: new AbortController().signal,
  });
  return { run, events: run.events(), taken, tick: (ms: number) => context.mock.timers.tick(ms) };
}

async function next(events: AsyncGenerator<DownloadEvent>, kind: DownloadEvent['kind']) {
  for (;;) {
    const { value, done } = await events.next();
    if (done) return assert.fail(`no ${kind} came`);
    if (value.kind === kind) return value;
  }
}

test('the chunks come in order, each when the one before was taken', async (context) => {
  const { run, events, taken } = runOf(context);
  const texts: string[] = [];
  for (let at = 0; at < 3; at += 1) {
    const event = await next(events, 'chunk');
    texts.push(event.kind === 'chunk' ? Buffer.from(event.content).toString() : '');
    assert.deepEqual(taken, [4, 8].slice(0, at));
  }
  assert.equal(texts.join(''), CONTENT.toString());
  const placed = await next(events, 'files_done');
  assert.equal(placed.kind === 'files_done' && placed.files[0]?.path, 'a.bin');
  for await (const event of events) assert.equal(event.kind, 'progress');
  assert.equal(run.summary({ startedMs: 0, requestsBefore: 0 }).files, 1);
});

test('whoever takes its time does not stall the download, and finds one progress, not a heap of them', async (context) => {
  const { events, tick } = runOf(context);
  await next(events, 'chunk');
  for (let at = 0; at < 10; at += 1) tick(STALL_MS);
  const kinds: string[] = [];
  for await (const { kind } of events) kinds.push(kind);
  assert.deepEqual(kinds, ['progress', 'chunk', 'chunk', 'files_done', 'progress']);
});

test('where nothing comes to take, it stalls', async (context) => {
  const { events, tick } = runOf(context, { gate: new Promise(() => {}) });
  await next(events, 'chunk');
  const rest = (async () => {
    for await (const { kind } of events) assert.equal(kind, 'progress');
  })();
  // The first chunk counts as taken once the next event is asked for.
  await new Promise(setImmediate);
  for (let at = 0; at < 3; at += 1) tick(STALL_MS);
  await assert.rejects(rest, { code: 'swarm_stalled' });
});

test('content that is not what --digest asks for comes without its end', async (context) => {
  const wanted = digestOf('sha256', Buffer.from('something else'));
  const { run, events } = runOf(context, { wanted });
  let bytes = 0;
  let code = '';
  for await (const event of events) {
    if (event.kind === 'chunk') bytes += event.content.length;
    if (event.kind === 'file_failed') ({ code } = event.error);
  }
  assert.deepEqual([bytes, code], [8, 'digest_mismatch']);
  assert.equal(run.summary({ startedMs: 0, requestsBefore: 0 }).filesFailed, 1);
});
