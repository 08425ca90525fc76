import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { type ErrorCode, hasCode, MiB, type Range, RangeIgnored } from '../core/index.ts';
import { createFakeClock } from '../testing/source-conformance/index.ts';
import { OriginClient } from './origin-client.ts';
import { openRange, rangeHeaders, type WantedRange, wantedRange } from './read-range.ts';

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: string;
}

/** Reads a range of a file of ten bytes (or so many). */
function readFrom(t: TestContext, answer: Answer, range: Range, sizeBytes = 10): Promise<string> {
  return readWanted(t, answer, wantedRange(range, sizeBytes));
}

/** Reads from a server that gives a fixed answer. */
async function readWanted(t: TestContext, answer: Answer, want: WantedRange): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = new OriginClient({ clock: createFakeClock(), random: () => 0 });
  t.after(async () => {
    await client.close();
    server.closeAllConnections();
    server.close();
  });
  const { signal } = new AbortController();
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/f`);
  const response = await client.send({ method: 'GET', url, signal });
  const chunks: Uint8Array[] = [];
  for await (const chunk of openRange(response, want, signal)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

const MIDDLE = { start: 2, end: 5 };
const WHOLE = { start: 0, end: 10 };
/** Node sends a body without a Content-Length in chunks: then the count is all there is to check. */
const chunked = { 'transfer-encoding': 'chunked' };

describe('reading a range', () => {
  it('asks for the whole without a Range header', () => {
    assert.deepEqual(rangeHeaders(wantedRange(WHOLE, 10)), {});
    assert.deepEqual(rangeHeaders(wantedRange(MIDDLE, 10)), { range: 'bytes=2-4' });
  });

  const good: [string, Answer, Range, string][] = [
    ['a 206', { status: 206, headers: { 'content-range': 'bytes 2-4/10' }, body: '234' }, MIDDLE, '234'],
    [
      'a 206 of unknown size',
      { status: 206, headers: { 'content-range': 'bytes 2-4/*' }, body: '234' },
      MIDDLE,
      '234',
    ],
    ['a 200 for the whole', { status: 200, body: '0123456789' }, WHOLE, '0123456789'],
    ['a 200 for a part', { status: 200, body: '0123456789' }, MIDDLE, '234'],
    [
      'a 200 for the head',
      { status: 200, headers: chunked, body: '0123456789' },
      { start: 0, end: 3 },
      '012',
    ],
    [
      'a 200 for the tail',
      { status: 200, headers: chunked, body: '0123456789' },
      { start: 7, end: 10 },
      '789',
    ],
  ];
  for (const [what, answer, range, expected] of good) {
    it(`takes ${what}`, async (t) => assert.equal(await readFrom(t, answer, range), expected));
  }

  const bad: [string, Answer, Range, ErrorCode][] = [
    [
      'another range',
      { status: 206, headers: { 'content-range': 'bytes 3-5/10' }, body: '345' },
      MIDDLE,
      'origin_protocol',
    ],
    [
      'a shorter range',
      { status: 206, headers: { 'content-range': 'bytes 2-3/10' }, body: '23' },
      MIDDLE,
      'origin_protocol',
    ],
    ['no Content-Range', { status: 206, body: '234' }, MIDDLE, 'origin_protocol'],
    [
      'a file of another size',
      { status: 206, headers: { 'content-range': 'bytes 2-4/11' }, body: '234' },
      MIDDLE,
      'origin_changed',
    ],
    [
      'a whole of another size',
      { status: 200, headers: { 'content-length': '11' }, body: '0123456789a' },
      WHOLE,
      'origin_changed',
    ],
    ['too few bytes', { status: 200, headers: chunked, body: '012345678' }, WHOLE, 'network_unreachable'],
    ['too many bytes', { status: 200, headers: chunked, body: '0123456789a' }, WHOLE, 'origin_protocol'],
    [
      'too many bytes of a range',
      { status: 206, headers: { ...chunked, 'content-range': 'bytes 2-4/10' }, body: '2345' },
      MIDDLE,
      'origin_protocol',
    ],
    [
      'too few bytes to skip to the range',
      { status: 200, headers: chunked, body: '012' },
      MIDDLE,
      'network_unreachable',
    ],
    ['another status', { status: 203, body: '0123456789' }, WHOLE, 'origin_protocol'],
    [
      'an encoded body',
      { status: 200, headers: { 'content-encoding': 'gzip' }, body: '0123456789' },
      WHOLE,
      'origin_protocol',
    ],
  ];
  for (const [what, answer, range, code] of bad) {
    it(`refuses ${what}`, async (t) => {
      await assert.rejects(readFrom(t, answer, range), (error) => {
        assert.ok(hasCode(error, code), String(error));
        return true;
      });
    });
  }

  it('does not read through a large file for a part of it', async (t) => {
    const reading = readFrom(t, { status: 200, headers: chunked, body: 'x' }, MIDDLE, 33 * MiB);
    await assert.rejects(
      reading,
      (error) => error instanceof RangeIgnored && hasCode(error, 'origin_protocol'),
    );
  });

  it('does where it is told to', async (t) => {
    const context = { credentials: {}, signal: new AbortController().signal, mayReadThrough: true };
    const want = wantedRange({ start: 33 * MiB - 3, end: 33 * MiB }, 33 * MiB, context);
    const body = `${'x'.repeat(33 * MiB - 3)}end`;
    assert.equal(await readWanted(t, { status: 200, body }, want), 'end');
  });
});
