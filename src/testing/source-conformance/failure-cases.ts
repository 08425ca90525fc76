// What a source must do when something is absent, breaks, hangs or lies.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { SourceFixture } from './fixture.ts';
import { anonymous, assertFails, pin, publishFile, read } from './helpers.ts';
import { LARGE_BYTES, LARGE_FILE, SMALL_FILE, sampleBytes } from './sample-files.ts';

const HOSTILE_PATHS = [
  '../outside',
  '/etc/passwd',
  'a/../../b',
  'a//b',
  'back\\slash',
  'line\nbreak',
  './a',
  '',
];

export function failureCases(fixture: () => SourceFixture): void {
  it('says what is absent: repository, revision, file', async () => {
    const { source } = fixture();
    const { repo, revision, file } = await fixture().absent();
    await assertFails(pin(fixture(), repo.url), ...repo.codes);
    if (revision !== undefined) await assertFails(pin(fixture(), revision.url), ...revision.codes);
    if (file === undefined) return;
    const ref = await pin(fixture(), file.url);
    await assertFails(source.list(ref, anonymous()), ...file.codes);
    await assertFails(source.stat(ref, ref.path, anonymous()), ...file.codes);
  });

  it('ends a cut connection in a retryable error after the bytes that came, and resumes', async (t) => {
    if (fixture().cutNext === undefined) return t.skip('no connection');
    const bytes = sampleBytes(LARGE_BYTES, 5);
    const { ref, file } = await publishFile(fixture(), LARGE_FILE, bytes);
    fixture().cutNext?.(LARGE_FILE, 400_000);
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      const all = { start: 0, end: file.sizeBytes };
      for await (const chunk of await fixture().source.get(ref, file, all, anonymous()))
        chunks.push(Buffer.from(chunk));
    })();
    const error = await assertFails(reading, 'network_unreachable', 'network_timeout');
    assert.ok(error.kind.retryable);
    const begun = Buffer.concat(chunks);
    assert.ok(begun.length <= 400_000);
    assert.ok(begun.equals(bytes.subarray(0, begun.length)));
    const rest = await read(fixture(), ref, file, { start: begun.length, end: file.sizeBytes });
    assert.ok(Buffer.concat([begun, rest]).equals(bytes));
  });

  it('never gives a file of another size than the one listed', async () => {
    const { ref, file } = await publishFile(fixture(), SMALL_FILE, sampleBytes(1000, 6));
    for (const sizeBytes of [999, 1001]) {
      const wrong = { ...file, sizeBytes };
      await assertFails(
        read(fixture(), ref, wrong),
        'origin_changed',
        'origin_protocol',
        'network_unreachable',
      );
    }
  });

  it('does nothing once aborted, and throws the reason', async () => {
    const { source, parseOptions } = fixture();
    const url = await fixture().put({ [SMALL_FILE]: sampleBytes(10, 1) });
    const ref = await pin(fixture(), url);
    const [file] = await source.list(ref, anonymous());
    assert.ok(file);
    const reason = new Error('no longer wanted');
    const aborted = anonymous(AbortSignal.abort(reason));
    await assert.rejects(source.resolve(source.parse(url, parseOptions), aborted), reason);
    await assert.rejects(read(fixture(), ref, file, { start: 0, end: 10 }, aborted), reason);
  });

  it('stops at once when aborted while bytes are awaited', async (t) => {
    if (fixture().stall === undefined) return t.skip('no connection');
    const { ref, file } = await publishFile(fixture(), LARGE_FILE, sampleBytes(LARGE_BYTES, 2));
    fixture().stall?.(LARGE_FILE, 200_000);
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    const reading = (async () => {
      const all = { start: 0, end: file.sizeBytes };
      for await (const _ of await fixture().source.get(ref, file, all, anonymous(controller.signal))) {
        setImmediate(() => controller.abort(reason));
      }
    })();
    await assert.rejects(reading, reason);
  });

  it('stops at once when aborted while an answer is awaited', async (t) => {
    if (fixture().hang === undefined) return t.skip('no connection');
    const { source, parseOptions } = fixture();
    const ref = source.parse(await fixture().put({ [SMALL_FILE]: sampleBytes(10, 1) }), parseOptions);
    fixture().hang?.();
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    const resolving = source.resolve(ref, anonymous(controller.signal));
    setImmediate(() => controller.abort(reason));
    await assert.rejects(resolving, reason);
  });

  it('refuses a listing with a path that would leave the folder', async (t) => {
    if (fixture().injectPath === undefined) return t.skip('it lists no paths of others');
    for (const path of HOSTILE_PATHS) {
      const url = await fixture().put({ [SMALL_FILE]: sampleBytes(10, 1) });
      fixture().injectPath?.(url, path);
      const listing = async () => await fixture().source.list(await pin(fixture(), url), anonymous());
      await assertFails(listing(), 'listing_unsafe');
    }
  });
}
