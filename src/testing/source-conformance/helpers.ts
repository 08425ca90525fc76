// Small steps that all cases share.

import assert from 'node:assert/strict';
import {
  AnaxError,
  type Credentials,
  contentAlgorithm,
  digestOf,
  type ErrorCode,
  type ListedFile,
  MiB,
  type OriginStream,
  type PinnedRef,
  type Range,
  type SourceContext,
} from '../../core/index.ts';
import type { FixtureFiles, SourceFixture } from './fixture.ts';

export function anonymous(signal: AbortSignal = new AbortController().signal): SourceContext {
  return { credentials: {}, signal };
}

export function withCredentials(credentials: Credentials): SourceContext {
  return { credentials, signal: new AbortController().signal };
}

export async function pin(fixture: SourceFixture, url: string, context = anonymous()): Promise<PinnedRef> {
  return await fixture.source.resolve(fixture.source.parse(url, fixture.parseOptions), context);
}

export interface Published {
  readonly ref: PinnedRef;
  readonly listed: readonly ListedFile[];
  /** What must be at a listed path. */
  readonly content: (path: string) => Uint8Array;
}

/** Publishes files: as one snapshot, or as one for each file where the origin holds single files. */
export async function publish(fixture: SourceFixture, files: FixtureFiles): Promise<Published[]> {
  const groups = fixture.holdsOneFile
    ? Object.entries(files).map((entry) => [entry])
    : [Object.entries(files)];
  const published: Published[] = [];
  for (const group of groups) published.push(await publishOne(fixture, Object.fromEntries(group)));
  return published;
}

async function publishOne(fixture: SourceFixture, files: FixtureFiles): Promise<Published> {
  const ref = await pin(fixture, await fixture.put(files));
  const listed = await fixture.source.list(ref, anonymous());
  const content = (path: string): Uint8Array => {
    const names = Object.keys(files);
    const name = fixture.holdsOneFile ? names.find((n) => n.split('/').at(-1) === path) : path;
    const bytes = files[name ?? ''];
    assert.ok(bytes, `${path} was published`);
    return bytes;
  };
  return { ref, listed, content };
}

/** One published file with its listing. */
export async function publishFile(fixture: SourceFixture, path: string, bytes: Uint8Array) {
  const [published] = await publish(fixture, { [path]: bytes });
  const file = published?.listed[0];
  assert.ok(published && file);
  return { ref: published.ref, file };
}

export async function read(
  fixture: SourceFixture,
  ref: PinnedRef,
  file: ListedFile,
  range: Range = { start: 0, end: file.sizeBytes },
  context = anonymous(),
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(await fixture.source.get(ref, file, range, context))) {
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}

/** The bytes as an engine takes them: by the stream's intake, where it has one. */
async function* chunksOf(stream: OriginStream): AsyncGenerator<Uint8Array> {
  const intake = stream.intake?.(MiB);
  if (!intake) return yield* stream;
  try {
    while ((await intake.gather(0, MiB)) > 0) yield await intake.bytes();
  } finally {
    await intake.close();
  }
}

export function assertDigestFits(file: ListedFile, bytes: Uint8Array): void {
  const algorithm = contentAlgorithm(file.digest);
  if (!algorithm) return;
  assert.equal(digestOf(algorithm, bytes), file.digest, `the digest of ${file.path}`);
}

/** The AnaxError that a promise ends in. */
export async function errorOf(promise: Promise<unknown>): Promise<AnaxError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof AnaxError, `an AnaxError, not ${String(error)}`);
    return error;
  }
  throw new assert.AssertionError({ message: 'it should have failed' });
}

export async function assertFails(
  promise: Promise<unknown>,
  ...codes: readonly ErrorCode[]
): Promise<AnaxError> {
  const error = await errorOf(promise);
  assert.ok(codes.includes(error.code), `${error.code} (${error.message}) should be ${codes.join(' or ')}`);
  return error;
}
