import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import {
  AnaxError,
  type Digest,
  digestOf,
  hasCode,
  MiB,
  type Range,
  seededRandom,
  signPiece,
} from '../core/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import { repositoryOf, startHost, startTestScheduler } from './cluster-harness.ts';
import { hostOf } from './session-harness.ts';
import type { SwarmSession } from './swarm-session.ts';

const PIECES = 5;
const MODEL = noise((PIECES - 1) * MiB + 12_345, 1);
const digest = digestOf('sha256', MODEL);
const NEVER = new AbortController().signal;

function noise(sizeBytes: number, seed: number): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, () => random() * 256));
}

async function nothing(): Promise<void> {}

/** What comes of a file, and why no more does. */
async function readAll(
  session: SwarmSession,
  { name = digest, signal = NEVER, approve = nothing }: ReadOptions = {},
): Promise<{ bytes: Buffer; error: unknown }> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of session.readFile(name).bytes(signal, approve)) chunks.push(Buffer.from(chunk));
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error };
  }
  return { bytes: Buffer.concat(chunks), error: undefined };
}

interface ReadOptions {
  readonly name?: Digest;
  readonly signal?: AbortSignal;
  readonly approve?: () => Promise<void>;
}

function assertSame(actual: Buffer, expected: Buffer): void {
  assert.equal(actual.length, expected.length);
  assert.equal(Buffer.compare(actual, expected), 0);
}

/** A host that reads a file from an origin which gives these bytes and then waits for `more`. */
async function slowHost(context: TestContext, { givenBytes = 0, content = MODEL } = {}) {
  const host = await hostOf(context, false, { 'model.bin': MODEL });
  const more = Promise.withResolvers<void>();
  const stream = async function* (range: Range, signal: AbortSignal): AsyncGenerator<Buffer> {
    signal.throwIfAborted();
    const aborted = new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    const wanted = content.subarray(range.start, range.end);
    yield wanted.subarray(0, Math.max(0, givenBytes - range.start));
    await Promise.race([more.promise, aborted]);
    yield wanted.subarray(Math.max(0, givenBytes - range.start));
  };
  host.source.get = async (_ref, _file, range, { signal }) => stream(range, signal);
  const use = await host.sessions.use(host.snapshot, {});
  context.after(() => use.release());
  return { ...host, session: use.session, more: more.resolve };
}

test('a file is read while it comes', async (context) => {
  const { session, more } = await slowHost(context, { givenBytes: 2 * MiB });
  const reading = session.readFile(digest).bytes(NEVER, nothing);
  const chunks: Buffer[] = [];
  for (let bytes = 0; bytes < 2 * MiB; bytes += chunks.at(-1)?.length ?? 0)
    chunks.push(Buffer.from((await reading.next()).value as Uint8Array));
  assertSame(Buffer.concat(chunks), MODEL.subarray(0, 2 * MiB));
  assert.equal(session.tasks.get(digest)?.status, 'filling');
  more();
  for await (const chunk of reading) chunks.push(Buffer.from(chunk));
  assertSame(Buffer.concat(chunks), MODEL);
});

test('several read the same at once, and again what is complete', async (context) => {
  const { session, more } = await slowHost(context);
  const readings = [readAll(session), readAll(session)];
  more();
  for (const { bytes } of [...(await Promise.all(readings)), await readAll(session)])
    assertSame(bytes, MODEL);
});

test('where one waited before the session had started, its file is read first', async (context) => {
  const { url } = await startTestScheduler(context);
  const repository = repositoryOf({ 'a.bin': noise(2 * MiB, 2), 'b.bin': MODEL });
  const limits = { originReads: 1 };
  const host = await startHost(context, url, { repositories: [repository], limits });
  const { reader = assert.fail(), ...use } = await host.sessions.use(
    repository.snapshot,
    {},
    { read: digest },
  );
  assertSame(Buffer.concat(await collect(reader.bytes(NEVER, nothing))), MODEL);
  assert.equal(repository.source.ranges[0]?.end, MODEL.length);
  await use.release();
});

test('where others read in order, the origin is read so, in parts of the least size', async (context) => {
  const { url } = await startTestScheduler(context);
  const repository = repositoryOf({ 'model.bin': MODEL });
  const limits = { originReads: 1, minReadBytes: MiB };
  const host = await startHost(context, url, { repositories: [repository], limits });
  const use = await host.sessions.use(repository.snapshot, {}, { inOrder: true });
  await use.session.waitFor(digest);
  const starts = repository.source.ranges.map(({ start }) => start);
  assert.deepEqual(
    starts,
    Array.from({ length: PIECES }, (_, at) => at * MiB),
  );
  await use.release();
});

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(Buffer.from(chunk));
  return all;
}

test('of a wrong file nobody gets the end', async (context) => {
  const content = Buffer.from(MODEL);
  content[3 * MiB] = (content[3 * MiB] ?? 0) ^ 1;
  const { session, more } = await slowHost(context, { content });
  const reading = readAll(session);
  more();
  const { bytes, error } = await reading;
  assert.ok(hasCode(error, 'digest_mismatch'));
  assertSame(bytes, content.subarray(0, (PIECES - 1) * MiB).subarray(0, bytes.length));
  assert.ok(bytes.length <= (PIECES - 1) * MiB);
});

test('of a wrong file of one piece nothing is given out', async (context) => {
  const small = noise(300_000, 3);
  const host = await hostOf(context, false, { 'small.bin': small });
  host.source.stream = (bytes) => [Buffer.alloc(bytes.length, 1)];
  const use = await host.sessions.use(host.snapshot, {});
  const { bytes, error } = await readAll(use.session, { name: digestOf('sha256', small) });
  assert.ok(hasCode(error, 'digest_mismatch'));
  assert.equal(bytes.length, 0);
  await use.release();
});

test('the last piece waits for the approval, and does not come without it', async (context) => {
  const { session, more } = await slowHost(context);
  more();
  const approve = async (): Promise<void> => {
    assert.equal(session.tasks.get(digest)?.status, 'complete');
    throw new AnaxError('digest_mismatch', 'not what was asked for');
  };
  const { bytes, error } = await readAll(session, { approve });
  assert.ok(hasCode(error, 'digest_mismatch'));
  assertSame(bytes, MODEL.subarray(0, (PIECES - 1) * MiB));
});

test('small files in a pack, and empty ones, come as well; a wrong one is wrong alone', async (context) => {
  const files = { a: Buffer.from('first'), b: Buffer.from('second'), empty: Buffer.alloc(0) };
  const host = await hostOf(context, false, files);
  const get = host.source.get.bind(host.source);
  host.source.get = async (ref, file, range, sourceContext) =>
    file.path === 'b' ? Readable.from([Buffer.from('secomd')]) : await get(ref, file, range, sourceContext);
  const use = await host.sessions.use(host.snapshot, {});
  const read = (bytes: Buffer) => readAll(use.session, { name: digestOf('sha256', bytes) });
  assert.equal((await read(files.a)).bytes.toString(), 'first');
  assert.deepEqual(await read(files.empty), { bytes: Buffer.alloc(0), error: undefined });
  const { bytes, error } = await read(files.b);
  assert.ok(hasCode(error, 'digest_mismatch'));
  assert.equal(bytes.length, 0);
  await use.release();
});

test('an abort ends the wait with its reason, and the end of the session with an abort', async (context) => {
  const { session, sessions } = await slowHost(context, { givenBytes: MiB });
  const abort = new AbortController();
  const reading = readAll(session, { signal: abort.signal });
  const other = readAll(session);
  const reason = new AnaxError('interrupted');
  abort.abort(reason);
  assert.equal((await reading).error, reason);
  await sessions.stop();
  assert.ok((await other).error);
});

test('whoever stops reading is not waited for any more', async (context) => {
  const { session, more } = await slowHost(context, { givenBytes: 2 * MiB });
  for await (const chunk of session.readFile(digest).bytes(NEVER, nothing)) {
    assert.ok(chunk.length > 0);
    break;
  }
  more();
  await session.waitFor(digest);
});

test('what a holder of another snapshot lies about is not given out', async (context) => {
  const { url } = await startTestScheduler(context);
  const own = repositoryOf({ 'first.bin': MODEL });
  const other = repositoryOf({ 'second.bin': MODEL, 'own.bin': noise(MiB, 2) });
  const liar = await startHost(context, url, { repositories: [own] });
  const { hash } = await loadPieceHash();
  const spec = { digest, sizeBytes: MODEL.length, pieceLengthBytes: MiB };
  const open = await liar.store.open(spec);
  for (let index = 0; index < PIECES; index += 1) {
    const piece = Buffer.alloc(MiB, 'a lie').subarray(0, MODEL.length - index * MiB);
    await open.write(index, piece, signPiece(liar.identity, spec, index, hash(piece)));
  }
  await open.commit([]);
  await open.close();
  await liar.tellBlobs();
  const host = await startHost(context, url, { repositories: [other] });
  const use = await host.sessions.use(other.snapshot, {});
  const { bytes } = await readAll(use.session);
  assertSame(bytes, MODEL);
  assert.ok(liar.uploads.bytesSent > 0, 'the lie came');
  await use.release();
});

test('a piece that is damaged on the disk is fetched again, and comes right', async (context) => {
  const { url } = await startTestScheduler(context);
  const repository = repositoryOf({ 'model.bin': MODEL });
  const source = await startHost(context, url, { repositories: [repository] });
  const host = await startHost(context, url, { repositories: [repository] });
  await source.fetch(repository);
  await host.fetch(repository);
  const use = await host.sessions.use(repository.snapshot, {});
  const task = use.session.tasks.get(digest) ?? assert.fail();
  const read = task.open.read.bind(task.open);
  let wrong = 1;
  task.open.read = async (index, offset, target) => {
    await read(index, offset, target);
    if (index === 2 && wrong > 0) {
      target.fill(0);
      wrong -= 1;
    }
  };
  const { bytes } = await readAll(use.session);
  assertSame(bytes, MODEL);
  assert.equal(wrong, 0);
  assert.ok(use.session.counters.fromPeers + use.session.counters.fromOrigin >= MODEL.length + MiB);
  await use.release();
});
