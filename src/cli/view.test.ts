import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pc from 'picocolors';
import { AnaxError, GiB, MiB, toErrorRecord } from '../core/index.ts';
import type { DownloadEvent } from '../rpc/index.ts';
import { doneEvent, resolvedEvent, SNAPSHOT } from './cli-harness.ts';
import { calmLine, summaryLines } from './summary.ts';
import { textWidth } from './text.ts';
import { render } from './view-render.ts';
import { currentRate, initialState, reduce, timeLeftMs, type ViewState } from './view-state.ts';

const colours = pc.createColors(false);

function after(events: readonly [DownloadEvent, number][]): ViewState {
  return events.reduce(
    (state, [event, nowMs]) => reduce(state, event, nowMs),
    initialState('hf://owner/name', 0),
  );
}

function progress(movedBytes: number, changes: object = {}): DownloadEvent {
  return {
    kind: 'progress',
    filesDone: 1,
    bytesDone: movedBytes,
    bytesFromPeers: movedBytes,
    bytesFromOrigin: 0,
    bytesFromCache: 0,
    active: [{ path: 'model.safetensors', bytesDone: movedBytes }],
    peers: 3,
    ...changes,
  };
}

/** A snapshot of many shards, each `percent` done. */
function shards(count: number, percent: number): [DownloadEvent, number][] {
  const files = Array.from({ length: count }, (_, index) => ({
    path: `transformer/diffusion_pytorch_model-${String(index + 1).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.safetensors`,
    sizeBytes: 4 * GiB,
    digest: `sha256:${'56'.repeat(32)}`,
  }));
  const bytesDone = (count * 4 * GiB * percent) / 100;
  const active = files.map(({ path }) => ({ path, bytesDone: (4 * GiB * percent) / 100 }));
  const url = 'hf://owner/diffusion@0123456789abcdef0123456789abcdef01234567';
  return [
    [{ kind: 'resolved', snapshotId: SNAPSHOT, url, revision: 'r', files, totalBytes: count * 4 * GiB }, 0],
    [progress(bytesDone, { active, filesDone: 0, bytesFromOrigin: 0 }), 2000],
  ];
}

describe('the view of a download', () => {
  it('shows what is resolved, and for how long, before anything is known', () => {
    assert.deepEqual(render(initialState('hf://owner/name', 0), { width: 80, nowMs: 12_000, colours }), [
      'hf://owner/name',
      '  resolving  0:12',
    ]);
  });

  it('shows total, active files and where bytes come from, at 80 columns', () => {
    const state = after([
      [resolvedEvent, 0],
      [
        progress(25 * MiB + 1536, {
          bytesFromPeers: 20 * MiB,
          bytesFromOrigin: 5 * MiB,
          bytesFromCache: 1536,
        }),
        2000,
      ],
    ]);
    assert.deepEqual(render(state, { width: 80, nowMs: 2000, colours }), [
      'hf://owner/name@0123456789abcdef0123456789abcdef01234567',
      '  ███████▌░░░░░░░░░░░░░░░░░░░░░░   25%  25.0 MiB / 100 MiB  12.5 MiB/s     0:06'.replace(
        '/  100',
        '/ 100',
      ),
      '  model.safetensors                            ████░░░░░░░░░░░░   25%   100 MiB',
      '  1 of 2 files · from 3 peers 20.0 MiB · origin 5.00 MiB · cache 1.50 KiB',
    ]);
  });

  it('shows eight active files, and how many more there are', () => {
    const lines = render(after(shards(14, 50)), { width: 80, nowMs: 2000, colours });
    assert.equal(lines.length, 2 + 8 + 1 + 1);
    assert.equal(lines[2], '  transformer/di…l-00001-of-00014.safetensors  ████████░░░░░░░░   50%  4.00 GiB');
    assert.equal(lines[10], '  … and 6 more');
  });

  it('is never wider than the terminal, and not wider than 120 columns', () => {
    for (const width of [40, 60, 80, 100, 120, 200]) {
      for (const line of render(after(shards(14, 37)), { width, nowMs: 2000, colours })) {
        assert.ok(textWidth(line) < Math.min(width, 121), `${textWidth(line)} in ${width}: ${line}`);
      }
    }
  });

  it('counts failed files', () => {
    const error = toErrorRecord(new AnaxError('digest_mismatch'));
    const state = after([
      [resolvedEvent, 0],
      [progress(MiB), 1],
      [{ kind: 'file_failed', path: 'model.safetensors', error }, 2],
    ]);
    assert.equal(state.active.length, 0);
    assert.equal(render(state, { width: 80, nowMs: 2, colours }).at(-1), '  1 file failed');
  });

  it('takes rate and time left from the last seconds, not from the start', () => {
    const events: [DownloadEvent, number][] = [[resolvedEvent, 0]];
    for (let second = 1; second <= 20; second += 1) {
      const movedBytes = second <= 10 ? 0 : (second - 10) * 5 * MiB;
      for (let tick = 0; tick < 10; tick += 1) events.push([progress(movedBytes), second * 1000 + tick]);
    }
    const state = after(events);
    assert.ok(state.samples.length < 30);
    assert.equal(Math.round((currentRate(state, 20_009) ?? 0) / MiB), 5);
    assert.equal(Math.round((timeLeftMs(state, 20_009) ?? 0) / 1000), 10);
    assert.equal(currentRate(state, 60_000), 0);
    assert.equal(timeLeftMs(state, 60_000), undefined);
  });

  it('does not count what the cache had as speed', () => {
    const state = after([
      [resolvedEvent, 0],
      [progress(50 * MiB, { bytesFromPeers: 0, bytesFromCache: 50 * MiB }), 2000],
    ]);
    assert.equal(currentRate(state, 2000), 0);
  });

  it('has a calm line for logs', () => {
    const state = after([
      [resolvedEvent, 0],
      [progress(25 * MiB), 2000],
    ]);
    assert.equal(calmLine(state, 2000), '24%  25.0 MiB of 100 MiB  12.5 MiB/s  0:06 left  1 of 2 files');
    assert.equal(calmLine(initialState('hf://o/n', 0), 0), 'resolving hf://o/n');
  });

  it('says why nothing moves while an origin has asked to wait, and for how long', () => {
    const waiting = reduce(initialState('hf://owner/name', 0), { kind: 'waiting', waitMs: 45_000 }, 2_000);
    const text = 'the hub limits requests: going on in 0:35';
    assert.equal(calmLine(waiting, 12_000), `resolving hf://owner/name  ${text}`);
    assert.deepEqual(render(waiting, { width: 80, nowMs: 12_000, colours }), [
      'hf://owner/name',
      `  resolving  0:12  ${text}`,
    ]);
    assert.equal(calmLine(waiting, 47_000), 'resolving hf://owner/name');
    const under = reduce(after([[resolvedEvent, 0]]), { kind: 'waiting', waitMs: 45_000 }, 2_000);
    assert.ok(render(under, { width: 80, nowMs: 12_000, colours }).includes(`  ${text}`));
    assert.match(calmLine(under, 12_000), /going on in 0:35$/u);
  });

  it('sums up', () => {
    const state = after([
      [resolvedEvent, 0],
      [doneEvent({ filesFailed: 1, files: 1 }), 2000],
    ]);
    assert.deepEqual(summaryLines(state, { colours, withPlace: true }), [
      '✗ hf://owner/name@0123456789abcdef0123456789abcdef01234567',
      '  1 file, 100 MiB in 13 s (8.00 MiB/s), 1 file failed',
      '  from peers 60.0 MiB · origin 40.0 MiB (4 requests) · cache 1.50 KiB',
      '  in /work/out',
    ]);
  });
});
