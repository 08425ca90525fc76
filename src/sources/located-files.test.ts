import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFakeClock } from '../testing/source-conformance/index.ts';
import { type FileLocation, LocatedFiles } from './located-files.ts';

const NEVER = new AbortController().signal;

function signed(endsAtMs: number): FileLocation {
  return { kind: 'signed', url: new URL(`https://cdn.example/f?Expires=${Math.floor(endsAtMs / 1000)}`) };
}

describe('located files', () => {
  it('asks once for many at the same time, and not again until shortly before the end', async () => {
    const clock = createFakeClock();
    const located = new LocatedFiles(clock);
    let asked = 0;
    const locate = async () => {
      asked += 1;
      await Promise.resolve();
      return signed(clock.now() + 3_600_000);
    };
    const all = await Promise.all(Array.from({ length: 20 }, () => located.find('f', NEVER, locate)));
    assert.equal(new Set(all).size, 1);
    clock.advance(3_530_000);
    await located.find('f', NEVER, locate);
    assert.equal(asked, 1);
    clock.advance(20_000);
    await located.find('f', NEVER, locate);
    assert.equal(asked, 2);
  });

  it('assumes an hour where the URL does not say, and keeps a short-lived URL for most of its life', async () => {
    const clock = createFakeClock();
    const located = new LocatedFiles(clock);
    let asked = 0;
    const locate = (location: FileLocation) => async () => {
      asked += 1;
      return location;
    };
    const unsaid: FileLocation = { kind: 'signed', url: new URL('https://cdn.example/f') };
    await located.find('hour', NEVER, locate(unsaid));
    const short = signed(clock.now() + 10_000);
    await located.find('short', NEVER, locate(short));
    clock.advance(8000);
    await located.find('short', NEVER, locate(short));
    assert.equal(asked, 2);
    clock.advance(3_600_000);
    await located.find('hour', NEVER, locate(unsaid));
    assert.equal(asked, 3);
  });

  it('shares an error, but not an abort: then another asks', async () => {
    const located = new LocatedFiles(createFakeClock());
    const gate = Promise.withResolvers<FileLocation>();
    const failing = [1, 2].map(() => located.find('f', NEVER, () => gate.promise));
    gate.reject(new Error('refused'));
    const outcomes = await Promise.allSettled(failing);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected'],
    );

    const controller = new AbortController();
    const aborted = located.find('g', controller.signal, async () => {
      await Promise.resolve();
      controller.abort(new Error('enough'));
      throw controller.signal.reason;
    });
    const waiting = located.find('g', NEVER, async () => ({ kind: 'direct' }));
    await assert.rejects(aborted, /enough/u);
    assert.deepEqual(await waiting, { kind: 'direct' });
  });

  it('lets a waiting caller go when it is aborted', async () => {
    const located = new LocatedFiles(createFakeClock());
    const gate = Promise.withResolvers<FileLocation>();
    const asking = located.find('f', NEVER, () => gate.promise);
    const controller = new AbortController();
    const waiting = located.find('f', controller.signal, () => gate.promise);
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/u);
    gate.resolve({ kind: 'direct' });
    await asking;
  });

  it('forgets only the location it was told of', async () => {
    const clock = createFakeClock();
    const located = new LocatedFiles(clock);
    const old = signed(clock.now() + 3_600_000);
    const fresh = signed(clock.now() + 3_600_000);
    await located.find('f', NEVER, async () => fresh);
    located.forget('f', old);
    assert.equal(await located.find('f', NEVER, async () => old), fresh);
    located.forget('f', fresh);
    assert.equal(await located.find('f', NEVER, async () => old), old);
  });
});
