import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { AnaxError, type ErrorCode, ExitCode, toErrorRecord } from '../core/index.ts';
import type { DownloadEvent } from '../rpc/index.ts';
import { type CliSetup, doneEvent, resolvedEvent, runCli, SNAPSHOT } from './cli-harness.ts';
import { defineDownload } from './download-command.ts';
import type { CliParts } from './engine-port.ts';

const happy = [resolvedEvent, doneEvent()];

const dfget = (args: readonly string[], setup: CliSetup = {}) =>
  runCli('dfget', (program, context, done) => defineDownload(program, context, 'dfget', done), args, setup);

async function requestOf(args: readonly string[], setup: CliSetup = {}) {
  const run = await dfget(args, { events: happy, ...setup });
  assert.equal(run.exitCode, 0, run.stderr);
  const [request] = run.requests;
  assert.ok(request);
  return request;
}

function failed(path: string, code: ErrorCode): DownloadEvent {
  return { kind: 'file_failed', path, error: toErrorRecord(new AnaxError(code, path)) };
}

describe('dfget', () => {
  it('prints the final path as the result, and all else to standard error', async () => {
    const { exitCode, stdout, stderr } = await dfget(['hf://owner/name', '-O', 'out'], { events: happy });
    assert.equal(exitCode, 0);
    assert.equal(stdout, '/work/out\n');
    assert.equal(
      stderr,
      [
        'dfget: hf://owner/name@0123456789abcdef0123456789abcdef01234567',
        '✓ hf://owner/name@0123456789abcdef0123456789abcdef01234567',
        '  2 files, 100 MiB in 13 s (8.00 MiB/s)',
        '  from peers 60.0 MiB · origin 40.0 MiB (4 requests) · cache 1.50 KiB',
        '  in /work/out',
        '',
      ].join('\n'),
    );
  });

  it('is silent but for the result with -q', async () => {
    const { stdout, stderr } = await dfget(['hf://owner/name', '-O', 'out', '-q'], { events: happy });
    assert.equal(stdout, '/work/out\n');
    assert.equal(stderr, '');
  });

  it('asks the engine for what the flags say', async () => {
    const flags = ['--revision', 'v1', '--include', '*.json', '--include-files', '*.bin', '--exclude', 'a/*'];
    const more = [
      '--overwrite',
      '--timeout',
      '2h',
      '-H',
      'X-Key: abc',
      '--digest',
      `sha256:${'ab'.repeat(32)}`,
    ];
    const request = await requestOf(['hf://owner/name', '-O', '../out', ...flags, ...more]);
    const { headers, ...rest } = request;
    assert.deepEqual(rest, {
      url: 'hf://owner/name',
      outputPath: '/out',
      revision: 'v1',
      include: ['*.json', '*.bin'],
      exclude: ['a/*'],
      overwrite: true,
      dryRun: false,
      timeoutMs: 7_200_000,
      digest: `sha256:${'ab'.repeat(32)}`,
    });
    assert.equal(headers?.['X-Key']?.reveal(), 'abc');
    const aliased = await requestOf(['modelscope://o/n', '-O', 'x', '--ms-revision', 'v2']);
    assert.equal(aliased.revision, 'v2');
  });

  it('gives each hub its own token and endpoint, and no other scheme any', async () => {
    const env = {
      HF_TOKEN: 'hf_env\n',
      MODELSCOPE_API_TOKEN: 'ms_env',
      HF_ENDPOINT: 'https://mirror.example/',
      MODELSCOPE_DOMAIN: 'modelscope.example',
    };
    const hf = await requestOf(['hf://o/n', '-O', 'x'], { env });
    assert.equal(hf.token?.reveal(), 'hf_env');
    assert.equal(hf.endpoint, 'https://mirror.example');
    const flag = await requestOf(['hf://o/n', '-O', 'x', '--hf-token', 'hf_flag'], { env });
    assert.equal(flag.token?.reveal(), 'hf_flag');
    const ms = await requestOf(['modelscope://o/n', '-O', 'x'], { env });
    assert.equal(ms.token?.reveal(), 'ms_env');
    assert.equal(ms.endpoint, 'https://modelscope.example');
    const http = await requestOf(['https://host.example/file', '-O', 'x'], { env });
    assert.equal(http.token, undefined);
    assert.equal(http.endpoint, undefined);
    const implicit = { env: { ...env, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' } };
    assert.equal((await requestOf(['hf://o/n', '-O', 'x'], implicit)).token, undefined);
  });

  it("finds the token that Hugging Face's tools stored", async () => {
    const home = await mkdtemp(join(tmpdir(), 'anax-cli-'));
    try {
      await mkdir(join(home, '.cache/huggingface'), { recursive: true });
      await writeFile(join(home, '.cache/huggingface/token'), 'hf_stored\n');
      await writeFile(join(home, 'elsewhere'), 'hf_elsewhere');
      const stored = await requestOf(['hf://o/n', '-O', 'x'], { home });
      assert.equal(stored.token?.reveal(), 'hf_stored');
      const env = { HF_TOKEN_PATH: join(home, 'elsewhere') };
      const named = await requestOf(['hf://o/n', '-O', 'x'], { home, env });
      assert.equal(named.token?.reveal(), 'hf_elsewhere');
    } finally {
      await rm(home, { recursive: true });
    }
  });

  it("finds Hugging Face's cache, also when the URL follows the flag", async () => {
    const byDefault = await requestOf(['--hf-cache', 'hf://o/n']);
    assert.equal(byDefault.url, 'hf://o/n');
    assert.equal(byDefault.hfCacheDir, '/nowhere/.cache/huggingface/hub');
    const env = { HF_HOME: '/hf' };
    assert.equal((await requestOf(['hf://o/n', '--hf-cache'], { env })).hfCacheDir, '/hf/hub');
    assert.equal((await requestOf(['hf://o/n', '--hf-cache', 'mine'], { env })).hfCacheDir, '/work/mine');
  });

  it('refuses a wrong command line with exit code 2 and a hint', async () => {
    const wrong: [string[], RegExp][] = [
      [[], /the URL is missing/u],
      [['hf://o/n'], /-O is missing/u],
      [['hf://o/n', '-O', 'x', '--inclde', 'y'], /hint: Did you mean --include\?/u],
      [['hf://o/n', '-O', 'x', 'y'], /too many arguments/u],
      [['hf://o/n', '-O', 'x', '--timeout', 'soon'], /not a duration: soon/u],
      [['hf://o/n', '-O', 'x', '--digest', 'md5:1'], /not a digest/u],
      [['hf://o/n', '-O', 'x', '--include', ''], /not a pattern/u],
      [['hf://o/n', '-O', 'x', '--log-level', 'loud'], /--log-level/u],
      [['hf://o/n', '-O', 'x', '--endpoint', '/s', '--cache-dir', '/c'], /--endpoint names a daemon/u],
    ];
    for (const [args, message] of wrong) {
      const { exitCode, stderr, stdout } = await dfget(args);
      assert.equal(exitCode, ExitCode.usage, args.join(' '));
      assert.match(stderr, message);
      assert.match(stderr, /^dfget: error\[(?:usage|config)_invalid\]: .*\n {2}hint: /u);
      assert.equal(stdout, '');
    }
  });

  it('does not repeat a wrong header, which may hold a secret', async () => {
    const { stderr } = await dfget(['hf://o/n', '-O', 'x', '-H', 'Authorization Bearer hf_secret']);
    assert.match(stderr, /a header is not valid/u);
    assert.doesNotMatch(stderr, /hf_secret/u);
  });

  it('prints version and help with exit code 0', async () => {
    assert.deepEqual((await dfget(['-V'])).stdout, '1.2.3\n');
    const { exitCode, stdout } = await dfget(['--help']);
    assert.equal(exitCode, 0);
    assert.match(stdout, /Examples:/u);
    assert.doesNotMatch(stdout, /default: (?:false|\[\])/u);
  });

  it('lists the files of a dry run on standard output', async () => {
    const events = [resolvedEvent, doneEvent({ files: 0, bytes: 0 })];
    const { stdout, stderr } = await dfget(['hf://owner/name', '--dry-run'], { events });
    assert.equal(
      stdout,
      [
        '    SIZE  DIGEST                 PATH',
        '1.50 KiB  git-sha1:121212121212  config.json',
        ' 100 MiB  sha256:343434343434    model.safetensors',
        '2 files, 100 MiB at hf://owner/name@0123456789abcdef0123456789abcdef01234567',
        '',
      ].join('\n'),
    );
    assert.equal(stderr, '');
  });

  it('writes a JSON object per line, the summary last', async () => {
    const events = [resolvedEvent, failed('model.safetensors', 'disk_full'), doneEvent({ filesFailed: 1 })];
    const { stdout, exitCode } = await dfget(['hf://owner/name', '-O', 'out', '--json'], { events });
    const lines = stdout.trimEnd().split('\n');
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      records.map(({ kind }) => kind),
      ['resolved', 'file_failed', 'summary'],
    );
    assert.equal(exitCode, ExitCode.disk);
    const last = records.at(-1);
    assert.equal(last?.['ok'], false);
    assert.equal(last?.['exitCode'], ExitCode.disk);
    assert.equal(last?.['snapshotId'], SNAPSHOT);
    assert.equal(last?.['outputPath'], '/work/out');
  });

  it('tells each failed file, and ends with their common exit code or 1', async () => {
    const same = [resolvedEvent, failed('a', 'digest_mismatch'), failed('b', 'piece_corrupt'), doneEvent()];
    const { exitCode, stderr, stdout } = await dfget(['hf://o/n', '-O', 'x'], { events: same });
    assert.equal(exitCode, ExitCode.integrity);
    assert.match(
      stderr,
      /dfget: error\[digest_mismatch\]: .*: a\n {2}hint: nothing of it was kept.*\n {2}file: a\n/u,
    );
    assert.match(stderr, /dfget: error\[piece_corrupt\]: .*: b\n {2}file: b\n/u);
    assert.equal(stdout, '');
    const mixed = [resolvedEvent, failed('a', 'digest_mismatch'), failed('b', 'disk_full'), doneEvent()];
    assert.equal((await dfget(['hf://o/n', '-O', 'x'], { events: mixed })).exitCode, ExitCode.failed);
  });

  it('ends with the exit code of what ended the download, and shows its facts on lines of their own', async () => {
    const details = { expected: 'sha256:a', actual: 'sha256:b\u001b[2J\nforged' };
    const events = [resolvedEvent, new AnaxError('digest_mismatch', 'f', { details })];
    const { exitCode, stderr, stdout } = await dfget(['hf://o/n', '-O', 'x', '--json'], { events });
    assert.equal(exitCode, ExitCode.integrity);
    assert.match(stderr, /\n {2}expected: sha256:a\n {2}actual: sha256:b \[2J forged\n$/u);
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as { error?: { code?: string } };
    assert.equal(last.error?.code, 'digest_mismatch');
  });

  it('says after an interrupt that what is verified is kept, and how much', async () => {
    const controller = new AbortController();
    const progress: DownloadEvent = {
      kind: 'progress',
      filesDone: 0,
      bytesDone: 50 * 1024 * 1024,
      bytesFromPeers: 0,
      bytesFromOrigin: 50 * 1024 * 1024,
      bytesFromCache: 0,
      active: [],
      peers: 0,
    };
    const engine = {
      async *download() {
        yield resolvedEvent;
        yield progress;
        controller.abort(new AnaxError('interrupted'));
        throw new DOMException('aborted', 'AbortError');
      },
      close: () => Promise.resolve(),
    };
    const parts = { openEngine: () => Promise.resolve(engine) };
    const { exitCode, stderr } = await dfget(['hf://o/n', '-O', 'x'], { parts, signal: controller.signal });
    assert.equal(exitCode, ExitCode.interrupted);
    assert.match(
      stderr,
      /error\[interrupted\].*\n {2}hint: .*what is verified is kept\n {2}kept: 50\.0 MiB of 100 MiB/u,
    );
  });

  it('ends in a summary for scripts also where the download does not begin', async () => {
    const { exitCode, stdout, stderr } = await dfget(['hf://o/n', '--json']);
    assert.equal(exitCode, ExitCode.usage);
    const { kind, ok, exitCode: told, error } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual({ kind, ok, told }, { kind: 'summary', ok: false, told: ExitCode.usage });
    assert.equal((error as { code?: unknown }).code, 'usage_invalid');
    assert.match(stderr, /error\[usage_invalid\]/u);
    const unknown = await dfget(['hf://o/n', '--json', '--no-such-flag']);
    const summary = JSON.parse(unknown.stdout) as {
      exitCode: number;
      error: { code: string; message: string };
    };
    assert.deepEqual([summary.exitCode, summary.error.code], [ExitCode.usage, 'usage_invalid']);
    assert.match(summary.error.message, /--no-such-flag/u);
  });

  it('tells whom it waits for where the cache is in use, within the time limit', {
    timeout: 10_000,
  }, async () => {
    const openEngine: CliParts['openEngine'] = async ({ onCacheBusy, signal }) => {
      onCacheBusy('42');
      return await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
      });
    };
    const run = await dfget(['hf://o/n', '-O', 'x', '--timeout', '20ms'], { parts: { openEngine } });
    assert.equal(run.exitCode, ExitCode.timeout);
    assert.match(run.stderr, /dfget: waiting for process 42, which uses the cache \/nowhere\//u);
    assert.match(run.stderr, /error\[timeout\]/u);
  });

  it('keeps the slash that makes the output of a file a folder', async () => {
    assert.equal((await requestOf(['hf://o/n/a.txt', '-O', 'out/'])).outputPath, '/work/out/');
    assert.equal((await requestOf(['hf://o/n/a.txt', '-O', '/'])).outputPath, '/');
  });

  it('fails with timeout when the time is over', { timeout: 10_000 }, async () => {
    const engine = {
      async *download(_request: unknown, signal: AbortSignal) {
        yield resolvedEvent;
        await new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        });
      },
      close: () => Promise.resolve(),
    };
    const parts = { openEngine: () => Promise.resolve(engine) };
    const { exitCode, stderr } = await dfget(['hf://o/n', '-O', 'x', '--timeout', '20ms'], { parts });
    assert.equal(exitCode, ExitCode.timeout);
    assert.match(stderr, /error\[timeout\]/u);
  });
});
