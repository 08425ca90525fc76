import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AnaxError } from '../core/index.ts';
import { decodeMessage, encodeMessage, writeChunkHead } from './codec.ts';
import { FrameParser } from './frame-parser.ts';
import { CHUNK_HEAD_BYTES, frameTypes } from './frame-types.ts';
import { proof } from './transport-harness.ts';

/** What a parser made of bytes: messages, and chunks with their payload put together. */
function collect(): { parser: FrameParser; events: string[] } {
  const events: string[] = [];
  let chunk: Buffer[] = [];
  const parser = new FrameParser({
    onFrame: (type, payload) => void events.push(JSON.stringify(decodeMessage(type, payload))),
    onChunk: (channel, piece, sizeBytes) => {
      events.push(`chunk ${channel} ${piece} ${sizeBytes}`);
      chunk = [];
    },
    onChunkBytes: (source, start, end) => void chunk.push(Buffer.from(source.subarray(start, end))),
    onChunkEnd: () => void events.push(`end ${Buffer.concat(chunk).toString('hex')}`),
  });
  return { parser, events };
}

function chunkFrame(channel: number, piece: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(CHUNK_HEAD_BYTES);
  writeChunkHead(head, channel, piece, payload.length);
  return Buffer.concat([head, payload]);
}

const stream = Buffer.concat([
  encodeMessage({ kind: 'have', channel: 2, pieces: [1, 2, 3] }),
  encodeMessage({ kind: 'piece', channel: 2, piece: 1, sizeBytes: 40, proof }),
  chunkFrame(2, 1, Buffer.from('first')),
  encodeMessage({ kind: 'ping', token: 7 }),
  chunkFrame(2, 1, Buffer.from('s')),
  encodeMessage({ kind: 'call', id: 1, timeoutMs: 5, method: 'resolve', body: Buffer.from('{}') }),
]);

test('frames are the same wherever the stream is split in two', () => {
  const whole = collect();
  whole.parser.push(stream, 0, stream.length);
  assert.equal(whole.events.length, 8);
  for (let split = 0; split <= stream.length; split += 1) {
    const { parser, events } = collect();
    assert.equal(parser.push(stream, 0, split), split);
    assert.equal(parser.push(stream, split, stream.length), stream.length);
    assert.deepEqual(events, whole.events, `split at ${split}`);
  }
});

test('frames are the same when bytes come one by one', () => {
  const whole = collect();
  whole.parser.push(stream, 0, stream.length);
  const { parser, events } = collect();
  for (let at = 0; at < stream.length; at += 1) parser.push(Buffer.from([stream[at] ?? 0]), 0, 1);
  assert.deepEqual(events, whole.events);
});

test('a sink that asks to wait stops the parser exactly there', () => {
  const seen: number[] = [];
  const wait = Promise.resolve();
  const parser = new FrameParser({
    onFrame: (type) => {
      seen.push(type);
      return wait;
    },
    onChunk: () => undefined,
    onChunkBytes: () => undefined,
    onChunkEnd: () => wait,
  });
  let at = 0;
  for (let stops = 1; at < stream.length; stops += 1) {
    at = parser.push(stream, at, stream.length);
    assert.equal(parser.wait, wait, `stop ${stops}`);
  }
  assert.deepEqual(seen, [21, 35, 3, 48]);
});

test('random bytes are refused or understood, and never crash the parser', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 20 }), (parts) => {
      const { parser } = collect();
      try {
        for (const part of parts) parser.push(Buffer.from(part), 0, part.length);
      } catch (error) {
        assert.ok(error instanceof AnaxError && error.code === 'peer_protocol', String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

function head(length: number, type: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt8(type, 4);
  return bytes;
}

test('unknown types and impossible lengths are refused by the head alone', () => {
  const cases: [string, Buffer][] = [
    ['length zero', head(0, 3)],
    ['an unknown type', head(5, 99)],
    ['a ping that is too long', head(6, 3)],
    ['a ping that is too short', head(4, 3)],
    ['a chunk without payload', head(9, 36)],
    ['4 GiB', head(0xffff_ffff, 36)],
    ...Object.values(frameTypes).map(({ type, maxBytes }): [string, Buffer] => [
      `type ${type} over its limit`,
      head(maxBytes + 2, type),
    ]),
  ];
  for (const [name, bytes] of cases) {
    const { parser } = collect();
    assert.throws(() => parser.push(bytes, 0, bytes.length), { code: 'peer_protocol' }, name);
  }
});

test('a long frame that is announced but not sent takes no memory', () => {
  const parsers = Array.from({ length: 1000 }, () => collect().parser);
  const before = process.memoryUsage().arrayBuffers;
  const announced = Buffer.concat([head(1024 * 1024, 48), Buffer.alloc(10)]);
  for (const parser of parsers) parser.push(announced, 0, announced.length);
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024);
});
