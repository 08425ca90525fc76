// What goes wrong on a person's own machine: full disks, places that can't be written, files in the way, a cache in use,
// a daemon that is not there, a command line that makes no sense.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { systemErrorCode } from '../../src/core/index.ts';
import {
  generatedContent,
  type HuggingFaceHub,
  startHuggingFaceHub,
} from '../../src/testing/hub-emulator/index.ts';
import {
  assertArrived,
  assertFailed,
  assertFailedClean,
  type Errand,
  errand,
  errorOf,
  filesIn,
} from './errand.ts';
import { contentBytes, MiB } from './support.ts';

const REPO_URL = 'hf://acme/model';
const CONFIG = '{"hidden_size":1}';

let hub: HuggingFaceHub;

before(async () => {
  hub = await startHuggingFaceHub();
  const large = (seed: string) => generatedContent({ seed, sizeBytes: 5 * MiB });
  const files = { 'config.json': CONFIG, 'sub/a.bin': large('a'), 'sub/b.bin': large('b') };
  hub.putRepo({ id: 'acme/model', revisions: { main: files } });
});

after(() => hub.close());

function person(context: TestContext, env: Readonly<Record<string, string>> = {}): Promise<Errand> {
  return errand(context, { HF_ENDPOINT: hub.url, ...env });
}

/** Runs with a filesystem of its own mounted on a new folder; skips the test where that is not allowed. */
async function withDisk(
  context: TestContext,
  folder: string,
  options: string,
  run: (remount: (options: string) => void) => Promise<void>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' });
  } catch (error) {
    return context.skip(`a filesystem can't be mounted here: ${error instanceof Error ? error.message : ''}`);
  }
  try {
    await run((to) => execFileSync('mount', ['-o', `remount,${to}`, folder]));
  } finally {
    execFileSync('umount', ['--lazy', folder]);
  }
}

/** What another process may do at any time. */
function fill(folder: string): void {
  try {
    writeFileSync(join(folder, 'filler'), Buffer.alloc(64 * MiB));
  } catch (error) {
    assert.equal(systemErrorCode(error), 'ENOSPC');
  }
}

describe('a full disk', () => {
  test('that is too small from the start is found before anything is fetched', async (context) => {
    const she = await person(context);
    await withDisk(context, she.cache, 'size=9m', async () => {
      hub.resetLog();
      const error = await assertFailedClean(she, await she.get(REPO_URL), 'disk_full');
      assert.match(error.message, /10\.0 MiB needed, 8\.\d+ MiB available in /u);
      assert.equal(hub.stats().contentBytesSent, 0);
    });
  });

  test('in the middle keeps what is verified, and the run with more room fetches the rest', async (context) => {
    const she = await person(context);
    const slow = hub.faults.add({ kind: 'trickle', bytesPerSecond: 2 * MiB, match: { path: /\.bin/u } });
    context.after(() => slow.remove());
    await withDisk(context, she.cache, 'size=12m', async (remount) => {
      const run = she.start(REPO_URL, [], (line) => {
        if (line.kind === 'progress' && line.bytesDone > 2 * MiB) fill(she.cache);
      });
      assertFailed(await run.result, 'disk_full');
      slow.remove();
      remount('size=64m');
      hub.resetLog();
      const again = await she.get(REPO_URL);
      await assertArrived(she, again);
      const { bytesFromCache = 0 } = again.summary ?? {};
      assert.ok(bytesFromCache > 2 * MiB, `${bytesFromCache} bytes were kept`);
      assert.equal(hub.stats().contentBytesSent, contentBytes(again) - bytesFromCache);
    });
  });

  test('under the output leaves no half file, and the run with more room fetches nothing', async (context) => {
    const she = await person(context);
    await withDisk(context, she.out, 'size=6m', async (remount) => {
      const result = await she.get(REPO_URL);
      assertFailed(result, 'disk_full');
      const failed = result.summary?.failed.map(({ path }) => path) ?? [];
      const placed = await filesIn(she.out);
      assert.deepEqual([...failed, ...placed].toSorted(), ['config.json', 'sub/a.bin', 'sub/b.bin']);
      remount('size=64m');
      const again = await she.get(REPO_URL);
      await assertArrived(she, again);
      assert.equal(again.summary?.bytesFromOrigin, 0);
    });
  });
});

describe('an output', { concurrency: 2 }, () => {
  test('below a file is unwritable, and nothing is fetched for it', async (context) => {
    const she = await person(context);
    await writeFile(join(she.folder, 'file'), 'in the way');
    const out = join(she.folder, 'file', 'out');
    for (const url of [REPO_URL, `${REPO_URL}/config.json`]) {
      const result = await she.get(url, '-O', out);
      const error = assertFailed(result, 'output_unwritable');
      assert.match(error.message, /file is not a folder/u);
      assert.equal(
        result.lines.some(({ kind }) => kind === 'progress'),
        false,
      );
    }
    assert.equal(await readFile(join(she.folder, 'file'), 'utf8'), 'in the way');
  });

  test('that is a file where a folder belongs is not replaced', async (context) => {
    const she = await person(context);
    await writeFile(she.out, 'in the way');
    const result = await she.get(REPO_URL);
    assertFailed(result, 'output_unwritable');
    assert.equal(await readFile(she.out, 'utf8'), 'in the way');
  });

  test('on a read-only filesystem is unwritable', async (context) => {
    const she = await person(context);
    await withDisk(context, she.out, 'size=1m,ro', async () => {
      await assertFailedClean(she, await she.get(REPO_URL), 'output_unwritable');
    });
  });

  test('with other content is left alone, and replaced with --overwrite', async (context) => {
    const she = await person(context);
    await mkdir(join(she.out, 'sub'), { recursive: true });
    await writeFile(join(she.out, 'config.json'), 'mine');
    await writeFile(join(she.out, 'sub', 'a.bin'), 'mine');
    await writeFile(join(she.out, 'notes.txt'), 'mine');
    const result = await she.get(REPO_URL);
    const error = assertFailed(result, 'output_exists');
    assert.match(error.message, /config\.json|a\.bin/u);
    assert.equal(await readFile(join(she.out, 'config.json'), 'utf8'), 'mine');
    const again = await she.get(REPO_URL, '--overwrite');
    assert.equal(again.exitCode, 0, again.stderr);
    assert.equal(again.summary?.bytesFromOrigin, 0);
    assert.equal(await readFile(join(she.out, 'config.json'), 'utf8'), CONFIG);
    assert.equal(await readFile(join(she.out, 'notes.txt'), 'utf8'), 'mine');
  });

  test('of one file that ends in a slash is a folder for it', async (context) => {
    const she = await person(context);
    const result = await she.get(`${REPO_URL}/config.json`, '-O', `${she.out}/`);
    assert.equal(result.exitCode, 0, result.stderr);
    assert.equal(await readFile(join(she.out, 'config.json'), 'utf8'), CONFIG);
  });

  test('in the Hugging Face cache has links, blobs and a ref, and is not made from another hub', async (context) => {
    const she = await person(context);
    const cache = join(she.folder, 'hub');
    const result = await she.get(REPO_URL, '--hf-cache', cache);
    assert.equal(result.exitCode, 0, result.stderr);
    const repo = join(cache, 'models--acme--model');
    const commit = await readFile(join(repo, 'refs', 'main'), 'utf8');
    const link = join(repo, 'snapshots', commit, 'config.json');
    assert.match(await readlink(link), /^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/u);
    assert.equal(await readFile(link, 'utf8'), CONFIG);
    const local = pathToFileURL(link).href;
    assertFailed(await she.get(local, '--hf-cache', join(she.folder, 'other')), 'usage_invalid');
  });
});

test('a cache that can not be made is named, with the flag that moves it', async (context) => {
  const she = await person(context);
  const error = await assertFailedClean(
    she,
    await she.get(REPO_URL, '--cache-dir', '/dev/null/cache'),
    'output_unwritable',
  );
  assert.match(error.message, /the cache folder \/dev\/null\/cache/u);
  assert.match(error.hint, /--cache-dir/u);
});

describe('filters', { concurrency: 2 }, () => {
  for (const flags of [
    ['--include', '*.gguf'],
    ['--exclude', '*'],
  ]) {
    test(`that match nothing (${flags.join(' ')}) say so`, async (context) => {
      const she = await person(context);
      const error = await assertFailedClean(she, await she.get(REPO_URL, ...flags), 'nothing_matched');
      assert.match(error.message, /3 files/u);
    });
  }
});

describe('a file:// address', { concurrency: 2 }, () => {
  test('of a file and of a folder arrives', async (context) => {
    const she = await person(context);
    const from = join(she.folder, 'a model #1');
    await mkdir(join(from, 'sub'), { recursive: true });
    await writeFile(join(from, 'sub', 'a.txt'), 'A');
    await writeFile(join(from, 'b.txt'), 'B');
    await assertArrived(she, await she.get(pathToFileURL(from).href));
    const single = join(she.folder, 'single.txt');
    const result = await she.get(pathToFileURL(join(from, 'b.txt')).href, '-O', single);
    assert.equal(result.exitCode, 0, result.stderr);
    assert.equal(await readFile(single, 'utf8'), 'B');
  });

  test('of nothing is not found', async (context) => {
    const she = await person(context);
    await assertFailedClean(she, await she.get('file:///no/such/file'), 'file_not_found');
  });
});

describe('two downloads at once on one cache', () => {
  test('take turns: the second is told, and fetches nothing again', async (context) => {
    const she = await person(context);
    const slow = hub.faults.add({ kind: 'trickle', bytesPerSecond: 2 * MiB });
    context.after(() => slow.remove());
    hub.resetLog();
    const begun = Promise.withResolvers<void>();
    const first = she.start(REPO_URL, [], (line) => {
      if (line.kind === 'resolved') begun.resolve();
    });
    await begun.promise;
    const other = join(she.folder, 'other');
    const second = await she.get(REPO_URL, '-O', other);
    await assertArrived(she, await first.result);
    await assertArrived({ out: other }, second);
    assert.match(second.stderr, /waiting for process \d+, which uses the cache/u);
    assert.equal(second.summary?.bytesFromOrigin, 0);
    assert.equal(hub.stats().contentBytesSent, contentBytes(second));
  });

  test('a time limit and Ctrl-C also end the wait for the cache', async (context) => {
    const she = await person(context);
    const stalled = hub.faults.add({ kind: 'stall', afterBytes: 1 });
    context.after(() => stalled.remove());
    const begun = Promise.withResolvers<void>();
    const first = she.start(REPO_URL, [], (line) => {
      if (line.kind === 'resolved') begun.resolve();
    });
    await begun.promise;
    assertFailed(await she.start(REPO_URL, ['--timeout', '1s']).result, 'timeout');
    const third = she.start(REPO_URL, []);
    third.child.stderr?.once('data', () => third.child.kill('SIGINT'));
    assertFailed(await third.result, 'interrupted');
    first.child.kill('SIGINT');
    assertFailed(await first.result, 'interrupted');
  });
});

describe('a daemon', { concurrency: 2 }, () => {
  test('that was named and is not there ends in daemon_unavailable', async (context) => {
    const she = await person(context);
    const nothing = join(she.folder, 'nothing.sock');
    const dead = join(she.folder, 'dead.sock');
    await leaveDeadSocket(dead);
    for (const socket of [nothing, dead]) {
      const error = await assertFailedClean(
        she,
        await she.get(REPO_URL, '--endpoint', socket),
        'daemon_unavailable',
      );
      assert.match(error.message, new RegExp(socket, 'u'));
    }
  });

  test('that left a dead socket where one is looked for is done without', async (context) => {
    const she = await person(context);
    await leaveDeadSocket(join(she.folder, 'no-daemon.sock'));
    await assertArrived(she, await she.get(REPO_URL));
  });
});

/** A socket file with nobody behind it, as a killed daemon leaves it. */
async function leaveDeadSocket(path: string): Promise<void> {
  const listen = `require('net').createServer().listen(${JSON.stringify(path)}, end)`;
  const script = `const end = () => process.kill(process.pid, 'SIGKILL'); ${listen}`;
  try {
    execFileSync(process.execPath, ['-e', script], { stdio: 'ignore' });
  } catch {
    // It was killed, as it should be.
  }
}

describe('a command line', { concurrency: 2 }, () => {
  const WRONG: readonly (readonly [what: string, url: string, flags: readonly string[], hint: RegExp])[] = [
    [
      'an unknown scheme',
      's3://bucket/key',
      [],
      /file:\/\/, hf:\/\/, http:\/\/, https:\/\/, modelscope:\/\//u,
    ],
    ['no scheme', 'acme/model', [], /hf:\/\//u],
    ['half an address', 'hf://', [], /hf:\/\/owner\/name/u],
    ['a wrong digest', REPO_URL, ['--digest', 'md5:00'], /sha256/u],
    ['a wrong time limit', REPO_URL, ['--timeout', 'soon'], /s/u],
    ['a time limit of nothing', REPO_URL, ['--timeout', '0s'], /s/u],
    ['a wrong header', REPO_URL, ['-H', 'S3CR3T'], /Name: value/u],
    ['a wrong setting', REPO_URL, ['--origin-connections', '0'], /<n>/u],
    ['a wrong hub', REPO_URL, ['--hf-endpoint', 'ftp://hub'], /<url>/u],
    ['flags that exclude each other', REPO_URL, ['--endpoint', 'a.sock', '--scheduler', 'a:1'], /leave out/u],
    ['a wrong pattern', REPO_URL, ['--include', ''], /./u],
  ];
  for (const [what, url, flags, hint] of WRONG) {
    test(`with ${what} is refused`, async (context) => {
      const she = await person(context);
      const result = await she.get(url, ...flags);
      assert.equal(result.exitCode, 2, result.stderr);
      const error = errorOf(result);
      assertFailed(result, error.code);
      assert.match(error.hint, hint);
      assert.deepEqual(await filesIn(she.out), []);
    });
  }

  test('with an unknown flag is refused, with the nearest known one', async (context) => {
    const she = await person(context);
    const { exitCode, stderr } = await she.get(REPO_URL, '--overwritten');
    assert.equal(exitCode, 2);
    assert.match(stderr, /error\[usage_invalid\]: unknown option '--overwritten'\n {2}hint: .*--overwrite/u);
  });
});
