import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AnaxError, toErrorRecord } from '../core/index.ts';
import type { DownloadEvent } from '../rpc/index.ts';
import { type CliSetup, runCli, SNAPSHOT } from './cli-harness.ts';
import { defineDownload } from './download-command.ts';

const dfget = (args: readonly string[], setup: CliSetup = {}) =>
  runCli('dfget', (program, context, done) => defineDownload(program, context, 'dfget', done), args, setup);

const URL = 'hf://owner/name/a.bin';
const PARTS = ['one ', 'two ', 'three'];

const resolved: DownloadEvent = {
  kind: 'resolved',
  snapshotId: SNAPSHOT,
  url: URL,
  revision: 'main',
  files: [{ path: 'a.bin', sizeBytes: 13, digest: `sha256:${'ab'.repeat(32)}` }],
  totalBytes: 13,
};
const chunks = PARTS.map((text) => ({ kind: 'chunk', content: Buffer.from(text) }) as const);
const done: DownloadEvent = {
  kind: 'done',
  summary: {
    files: 1,
    filesFailed: 0,
    bytes: 13,
    bytesFromPeers: 0,
    bytesFromOrigin: 13,
    bytesFromCache: 0,
    originRequests: 1,
    seconds: 1,
  },
};

function failing(code: string): (bytes: Uint8Array) => Promise<void> {
  return () => Promise.reject(Object.assign(new Error(code), { code }));
}

describe('dfget -O -', () => {
  it('writes the file to standard output and all else to standard error', async () => {
    const run = await dfget([URL, '-O', '-'], { events: [resolved, ...chunks, done] });
    assert.equal(run.exitCode, 0);
    assert.equal(run.stdout, 'one two three');
    assert.match(run.stderr, /1 file, 13 B/u);
    assert.equal(run.requests[0]?.stream, true);
    assert.equal(run.requests[0]?.outputPath, undefined);
  });

  it('is silent on standard error with -q', async () => {
    const run = await dfget([URL, '-O', '-', '-q'], { events: [resolved, ...chunks, done] });
    assert.deepEqual([run.stdout, run.stderr], ['one two three', '']);
  });

  it('takes ./- for a file of that name', async () => {
    const run = await dfget([URL, '-O', './-'], { events: [resolved, done] });
    assert.equal(run.requests[0]?.outputPath, '/work/-');
    assert.equal(run.requests[0]?.stream, undefined);
  });

  for (const flags of [['--overwrite'], ['--hf-cache', '/hf'], ['--json']]) {
    it(`does not go with ${flags[0]}`, async () => {
      const { exitCode, stderr, requests } = await dfget([URL, '-O', '-', ...flags]);
      assert.equal(exitCode, 2);
      assert.match(stderr, new RegExp(`error\\[usage_invalid\\]: .*${flags[0]} does not go with -O -`, 'u'));
      assert.equal(requests.length, 0);
    });
  }

  it('ends with 141 and without a word where nobody reads any more', async () => {
    const events = [resolved, ...chunks, done];
    const run = await dfget([URL, '-O', '-', '-q'], { events, writeBytes: failing('EPIPE') });
    assert.deepEqual([run.exitCode, run.stdout, run.stderr], [141, '', '']);
  });

  it('tells any other error of standard output', async () => {
    const run = await dfget([URL, '-O', '-'], {
      events: [resolved, ...chunks],
      writeBytes: failing('ENOSPC'),
    });
    assert.equal(run.exitCode, 9);
    assert.match(run.stderr, /error\[disk_full\]/u);
  });

  it('ends with the exit code of a file that turned out to be wrong', async () => {
    const error = toErrorRecord(new AnaxError('digest_mismatch', 'a.bin'));
    const failed: DownloadEvent = { kind: 'file_failed', path: 'a.bin', error };
    const run = await dfget([URL, '-O', '-'], { events: [resolved, ...chunks.slice(0, 2), failed, done] });
    assert.equal(run.exitCode, 8);
    assert.equal(run.stdout, 'one two ');
  });

  it('says so where the daemon knows nothing of streams', async () => {
    const run = await dfget([URL, '-O', '-'], { events: [resolved, done] });
    assert.equal(run.exitCode, 10);
    assert.match(run.stderr, /error\[daemon_unavailable\].*another version/u);
  });

  it('ends with 130 when it is interrupted', async () => {
    const abort = new AbortController();
    const run = await dfget([URL, '-O', '-'], {
      events: [resolved, ...chunks, done],
      signal: abort.signal,
      writeBytes: async () => abort.abort(new AnaxError('interrupted')),
    });
    assert.equal(run.exitCode, 130);
  });
});
