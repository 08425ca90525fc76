// What goes wrong while content flows: cuts, wrong bytes, stalls, an interrupt. Whatever arrives is exact, and what was
// verified is not fetched again.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { DownloadFile } from '../../src/rpc/index.ts';
import type { DfgetResult } from '../../src/testing/cluster/index.ts';
import {
  type Fault,
  generatedContent,
  type HuggingFaceHub,
  startHuggingFaceHub,
} from '../../src/testing/hub-emulator/index.ts';
import { assertArrived, assertFailed, assertFailedClean, type Errand, errand, filesIn } from './errand.ts';
import { contentBytes, listedFiles, MiB } from './support.ts';

let hub: HuggingFaceHub;

before(async () => {
  hub = await startHuggingFaceHub();
});

after(() => hub.close());

/** A repository of its own for each test: two large files, a small one. Returns its URL. */
function publish(name: string, sizeBytes = 3 * MiB): string {
  const id = `acme/${name}`;
  const large = (seed: string) => generatedContent({ seed: `${name}/${seed}`, sizeBytes });
  hub.putRepo({
    id,
    revisions: { main: { 'config.json': `{"name":"${name}"}`, 'a.bin': large('a'), 'b.bin': large('b') } },
  });
  return `hf://${id}`;
}

/** Strikes the content of one file while the test runs. */
function strike(context: TestContext, file: string, fault: Fault) {
  const handle = hub.faults.add({ ...fault, match: { path: new RegExp(file.replace('.', '\\.'), 'u') } });
  context.after(() => handle.remove());
  return handle;
}

function person(context: TestContext): Promise<Errand> {
  return errand(context, { HF_ENDPOINT: hub.url });
}

function fileOf(result: DfgetResult, path: string): DownloadFile {
  const file = listedFiles(result).find((listed) => listed.path === path);
  assert.ok(file, `${path} is not listed`);
  return file;
}

/** Nothing in the store has the digest in its name. */
async function assertNotKept({ cache }: Errand, { digest }: DownloadFile): Promise<void> {
  const hex = digest.slice(digest.indexOf(':') + 1);
  assert.deepEqual(
    (await filesIn(cache)).filter((path) => path.includes(hex)),
    [],
  );
}

/** Of a body that is cut, this much may have arrived without having been read (see sources/origin-client.ts). */
const UNREAD_BYTES = 1 * MiB;
const CUT_BYTES = 2 * MiB;

test('a connection that is cut goes on where it was cut', async (context) => {
  const url = publish('cut');
  for (const file of ['a.bin', 'b.bin']) {
    strike(context, file, { kind: 'cut', afterBytes: CUT_BYTES, times: 1 });
  }
  hub.resetLog();
  const she = await person(context);
  const result = await she.get(url);
  await assertArrived(she, result);
  const ranges = hub.log.filter(({ host }) => host === 'cdn').map(({ range }) => range);
  assert.equal(ranges.length, 4);
  assert.deepEqual(ranges.slice(0, 2), [undefined, undefined]);
  for (const range of ranges.slice(2)) {
    const start = Number(/^bytes=(\d+)-3145727$/u.exec(range ?? '')?.[1]);
    assert.ok(start <= CUT_BYTES && start >= CUT_BYTES - UNREAD_BYTES, range);
  }
});

for (const file of ['a.bin', 'config.json']) {
  test(`one wrong byte in ${file}: it is refused with both digests, and all others arrive`, async (context) => {
    const url = publish(`wrong-${file.replace('.', '-')}`);
    const fault = strike(context, file, { kind: 'corrupt', atByte: 7 });
    const she = await person(context);
    const result = await she.get(url);
    const error = assertFailed(result, 'digest_mismatch');
    const listed = fileOf(result, file);
    assert.equal(error.details['file'], file);
    assert.equal(error.details['expected'], listed.digest);
    assert.match(String(error.details['actual']), /^(?:sha256|git-sha1):[0-9a-f]+$/u);
    assert.notEqual(error.details['actual'], listed.digest);
    assert.match(result.stderr, new RegExp(`file: ${file.replace('.', '\\.')}`, 'u'));
    assert.match(result.stderr, /2 files, .*, 1 file failed/u);
    const others = ['a.bin', 'b.bin', 'config.json'].filter((name) => name !== file);
    assert.deepEqual(await filesIn(she.out), others);
    assert.equal(result.summary?.files, 2);
    await assertNotKept(she, listed);
    fault.remove();
    const again = await she.get(url);
    await assertArrived(she, again);
    assert.equal(again.summary?.bytesFromOrigin, listed.sizeBytes);
  });
}

test('an answer of another length than the listed one is refused', async (context) => {
  const url = publish('lie');
  strike(context, 'b.bin', { kind: 'wrong-length', deltaBytes: -5 });
  const she = await person(context);
  const result = await she.get(url);
  assertFailed(result, 'origin_changed');
  assert.deepEqual(await filesIn(she.out), ['a.bin', 'config.json']);
});

describe('a time limit', { concurrency: 2 }, () => {
  const faults: Record<string, Fault> = {
    'does not answer': { kind: 'hang' },
    'stalls within a file': { kind: 'stall', afterBytes: 1.5 * MiB },
  };
  for (const [what, fault] of Object.entries(faults)) {
    test(`ends a download whose hub ${what}`, async (context) => {
      const name = `slow-${fault.kind}`;
      const url = publish(name);
      strike(context, fault.kind === 'hang' ? name : 'b.bin', fault);
      const she = await person(context);
      const result = await she.get(url, '--timeout', '2s', '--include', 'b.bin');
      await assertFailedClean(she, result, 'timeout');
      // Far under what the hub's own silence would take, on a busy machine, too.
      assert.ok(result.seconds < 20, `${result.seconds} s`);
    });
  }
});

test('Ctrl-C in the middle keeps what is verified, and the next run fetches the rest only', async (context) => {
  const url = publish('interrupted', 16 * MiB);
  const slow = hub.faults.add({ kind: 'trickle', bytesPerSecond: 6 * MiB });
  context.after(() => slow.remove());
  const she = await person(context);
  const run = she.start(url, [], (line) => {
    if (line.kind === 'progress' && line.bytesDone > 2 * MiB) run.child.kill('SIGINT');
  });
  assertFailed(await run.result, 'interrupted');
  assert.deepEqual(await filesIn(she.out), ['config.json']);
  slow.remove();
  hub.resetLog();
  const again = await she.get(url);
  await assertArrived(she, again);
  const { bytesFromCache = 0 } = again.summary ?? {};
  assert.ok(bytesFromCache > 2 * MiB, `${bytesFromCache} bytes were kept`);
  assert.equal(hub.stats().contentBytesSent, contentBytes(again) - bytesFromCache);
});

test('a file that has the digest that was asked for arrives, another does not', async (context) => {
  const url = publish('digest');
  const right = `sha256:${createHash('sha256').update('{"name":"digest"}').digest('hex')}`;
  const wrong = `sha256:${'0'.repeat(64)}`;
  for (const file of ['config.json', 'b.bin']) {
    const she = await person(context);
    const result = await she.get(`${url}/${file}`, '--digest', wrong);
    const error = await assertFailedClean(she, result, 'digest_mismatch');
    assert.equal(error.details['expected'], wrong);
  }
  const she = await person(context);
  const result = await she.get(`${url}/config.json`, '--digest', right);
  assert.equal(result.exitCode, 0, result.stderr);
  assert.equal(await readFile(she.out, 'utf8'), '{"name":"digest"}');
  const many = await she.get(url, '--digest', right, '-O', join(she.folder, 'many'));
  assertFailed(many, 'usage_invalid');
});
