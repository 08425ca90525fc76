import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AnaxError, hasCode, type ListedFile } from '../core/index.ts';
import { createLocalIntakes } from '../dataplane/index.ts';
import { FakeSource } from '../testing/fake-source/index.ts';
import { createFakeClock } from '../testing/source-conformance/fake-clock.ts';
import { createTestHasher, testPieceHash } from '../testing/store-conformance/index.ts';
import { runOriginRead } from './origin-read.ts';

const PIECE = 100;

function content(sizeBytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, at) => (at * 31 + (at >> 8)) % 251));
}

interface ReadOptions {
  readonly firstPiece?: number;
  readonly endPiece?: () => number;
  readonly signal?: AbortSignal;
  readonly mayRead?: () => Promise<void>;
}

/** Runs a read of a source's only file. */
function start(source: FakeSource, options: ReadOptions = {}) {
  const [file] = source.listed();
  assert.ok(file);
  const pieces = new Map<number, Buffer>();
  const clock = createFakeClock();
  const arrived = { bytes: 0 };
  const done = runOriginRead({
    source,
    ref: source.pinned(),
    file: file satisfies ListedFile,
    pieceLengthBytes: PIECE,
    firstPiece: options.firstPiece ?? 0,
    endPiece: options.endPiece ?? (() => Math.ceil(file.sizeBytes / PIECE)),
    credentials: {},
    clock,
    signal: options.signal ?? new AbortController().signal,
    begin: async () => () => undefined,
    mayAsk: () => Promise.resolve(),
    mayRead: options.mayRead ?? (() => Promise.resolve()),
    onBytes: async (bytes) => {
      arrived.bytes += bytes;
    },
    intakeOf: createLocalIntakes(createTestHasher),
    onPiece: async (index, piece) => {
      const bytes = await piece.bytes();
      assert.deepEqual(await piece.digest(), testPieceHash(bytes));
      assert.ok(!pieces.has(index), `piece ${index} came twice`);
      pieces.set(index, Buffer.from(bytes));
    },
  });
  return { done, pieces, clock, arrived };
}

function assertPieces(pieces: ReadonlyMap<number, Buffer>, bytes: Buffer, from: number, to: number): void {
  assert.deepEqual(
    [...pieces.keys()],
    Array.from({ length: to - from }, (_, at) => from + at),
  );
  for (const [index, piece] of pieces) {
    assert.ok(piece.equals(bytes.subarray(index * PIECE, (index + 1) * PIECE)), `piece ${index}`);
  }
}

function cut(): AnaxError {
  return new AnaxError('network_unreachable', 'cut');
}

test('the pieces are right however the bytes are cut into chunks, and wherever the connection breaks', async () => {
  const run = async (
    sizeBytes: number,
    sizes: readonly number[],
    cuts: readonly boolean[],
  ): Promise<void> => {
    const bytes = content(sizeBytes);
    const source = new FakeSource({ 'a.bin': bytes });
    let turn = 0;
    source.stream = function* (rest) {
      for (let at = 0; at < rest.length; ) {
        const size = sizes[turn % sizes.length] ?? 1;
        turn += 1;
        yield rest.subarray(at, at + size);
        at += size;
        if (cuts[turn % cuts.length] && at < rest.length) throw cut();
      }
    };
    const pieces = Math.ceil(sizeBytes / PIECE);
    const read = start(source);
    await read.done;
    assertPieces(read.pieces, bytes, 0, pieces);
    assert.equal(read.arrived.bytes, sizeBytes);
  };
  const chunkSizes = fc.array(fc.integer({ min: 1, max: 350 }), { minLength: 1, maxLength: 20 });
  const cuts = fc.array(fc.boolean(), { minLength: 1, maxLength: 10 });
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 1_234 }), chunkSizes, cuts, run), {
    numRuns: 200,
  });
});

test('a stretch in the middle asks for its own bytes only', async () => {
  const bytes = content(1_050);
  const source = new FakeSource({ 'a.bin': bytes });
  const read = start(source, { firstPiece: 3, endPiece: () => 7 });
  await read.done;
  assertPieces(read.pieces, bytes, 3, 7);
  assert.deepEqual(source.ranges, [{ start: 300, end: 700 }]);
});

test('a read that may not take bytes yet has asked for them, and takes them when it may', async () => {
  const bytes = content(1_050);
  const source = new FakeSource({ 'a.bin': bytes });
  source.stream = function* (rest) {
    for (let at = 0; at < rest.length; at += 50) yield rest.subarray(at, at + 50);
  };
  const turn = Promise.withResolvers<void>();
  const waits = Promise.withResolvers<void>();
  const mayRead = (): Promise<void> => {
    waits.resolve();
    return turn.promise;
  };
  const read = start(source, { mayRead });
  await waits.promise;
  assert.equal(source.ranges.length, 1);
  assert.equal(read.arrived.bytes, 50);
  turn.resolve();
  await read.done;
  assertPieces(read.pieces, bytes, 0, 11);
});

test('a read that is shortened while it runs ends there, and closes its request', async () => {
  const bytes = content(1_050);
  const source = new FakeSource({ 'a.bin': bytes });
  let end = 11;
  let isClosed = false;
  source.stream = function* (rest) {
    try {
      for (let at = 0; at < rest.length; at += 70) {
        if (at >= 350) end = 6;
        yield rest.subarray(at, at + 70);
      }
    } finally {
      isClosed = true;
    }
  };
  const read = start(source, { endPiece: () => end });
  await read.done;
  assertPieces(read.pieces, bytes, 0, 6);
  assert.equal(isClosed, true);
});

test('after a cut only what did not arrive is asked for', async () => {
  const bytes = content(1_050);
  const source = new FakeSource({ 'a.bin': bytes });
  const lengths = [130, 0, 420];
  source.stream = function* (rest) {
    const length = lengths.shift();
    yield rest.subarray(0, length);
    if (length !== undefined) throw cut();
  };
  const read = start(source);
  await read.done;
  assertPieces(read.pieces, bytes, 0, 11);
  assert.deepEqual(
    source.ranges.map((range) => range.start),
    [0, 130, 130, 550],
  );
  assert.equal(read.arrived.bytes, 1_050);
});

test('cuts without a byte between are tried a few times, ever later, then it is the error', async () => {
  const source = new FakeSource({ 'a.bin': content(1_050) });
  // oxlint-disable-next-line require-yield -- it fails before the first byte
  source.stream = function* () {
    throw cut();
  };
  const read = start(source);
  await assert.rejects(read.done, (error) => hasCode(error, 'network_unreachable'));
  assert.equal(source.ranges.length, 6);
  assert.deepEqual(
    read.clock.sleeps,
    read.clock.sleeps.toSorted((a, b) => a - b),
  );
  assert.equal(read.clock.sleeps.length, 5);
});

test('an error that is no cut is not tried again', async () => {
  const source = new FakeSource({ 'a.bin': content(300) });
  source.stream = function* (rest) {
    yield rest.subarray(0, 150);
    throw new AnaxError('origin_changed', 'a.bin');
  };
  const read = start(source);
  await assert.rejects(read.done, (error) => hasCode(error, 'origin_changed'));
  assert.equal(source.ranges.length, 1);
  assert.deepEqual([...read.pieces.keys()], [0]);
});

test('an abort ends it, also when the connection is cut at that moment', async () => {
  const source = new FakeSource({ 'a.bin': content(300) });
  const abort = new AbortController();
  source.stream = function* (rest) {
    yield rest.subarray(0, 150);
    abort.abort();
    throw cut();
  };
  const read = start(source, { signal: abort.signal });
  await assert.rejects(read.done);
  assert.equal(source.ranges.length, 1);
});
