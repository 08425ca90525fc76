import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MiB, type PieceIntake } from '../core/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import type { BodySpan } from '../http-body/index.ts';
import { isError, join2, NEVER, pieceFile, sideOf } from './plane-harness.ts';

const OPTIONS = { connectTimeoutMs: 5_000, headersTimeoutMs: 5_000, bodyTimeoutMs: 5_000 };
const PIECE = 1 * MiB;
const CONTENT = randomBytes(3 * PIECE + 12_345);
const ALL: BodySpan = { skip: 0, length: CONTENT.length, hasMore: false };

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const giveAll: Answer = (_request, response) => void response.end(CONTENT);

/** A data plane, and an origin that answers as it is told. */
async function originOf(context: TestContext, workers: number, answer: Answer = giveAll) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const url = new URL(`http://127.0.0.1:${address.port}/file?x=1`);
  const side = await sideOf(context, workers);
  const get = (signal = NEVER) => side.plane.bulkGet(url, { 'x-key': 'k' }, OPTIONS, signal);
  return { side, url, get };
}

/** Gathers a whole piece. */
async function gatherPiece(intake: PieceIntake, sizeBytes: number): Promise<void> {
  for (let at = 0; at < sizeBytes; ) {
    const bytes = await intake.gather(at, sizeBytes - at);
    assert.ok(bytes > 0, 'the stream goes on');
    at += bytes;
  }
}

for (const workers of [0, 1]) {
  describe(`with ${workers} threads:`, () => {
    test('a body becomes pieces that are hashed and put into a file', async (context) => {
      const seen: IncomingMessage[] = [];
      const { get } = await originOf(context, workers, (request, response) => {
        seen.push(request);
        giveAll(request, response);
      });
      const { hash } = await loadPieceHash();
      const response = await get();
      assert.equal(response.status, 200);
      assert.equal(response.headers['content-length'], String(CONTENT.length));
      assert.deepEqual([seen[0]?.url, seen[0]?.headers['x-key']], ['/file?x=1', 'k']);
      const intake = response.body.intake({ ...ALL, skip: 345, length: 3 * PIECE + 12_000 }, PIECE);
      const content = CONTENT.subarray(345);
      const file = pieceFile(context);
      for (let piece = 0; piece < 4; piece += 1) {
        const expected = content.subarray(piece * PIECE, (piece + 1) * PIECE);
        await gatherPiece(intake, expected.length);
        assert.deepEqual(new Uint8Array(await intake.digest()), new Uint8Array(hash(expected)));
        await intake.put(file.place(piece * PIECE));
      }
      assert.equal(await intake.gather(0, PIECE), 0);
      await intake.close();
      assert.ok(file.read(content.length, 0).equals(content));
    });

    test('a body is read in this thread, or thrown away, where that is wanted', async (context) => {
      const { get } = await originOf(context, workers);
      const chunks: Buffer[] = [];
      for await (const chunk of (await get()).body) chunks.push(Buffer.from(chunk));
      assert.ok(Buffer.concat(chunks).equals(CONTENT));
      await (await get()).body.dump({ limit: 100 });
    });

    test('after a cut the bytes that came are there, and another body goes on with them', async (context) => {
      const { get } = await originOf(context, workers, (request, response) => {
        response.writeHead(200, { 'content-length': CONTENT.length });
        response.write(CONTENT.subarray(0, 1_000_000), () => request.socket.destroy());
      });
      const first = (await get()).body.intake(ALL, PIECE);
      let got = 0;
      await assert.rejects(async () => {
        for (;;) got += await first.gather(got, PIECE - got);
      }, isError('network_unreachable'));
      const kept = await first.bytes();
      assert.ok(Buffer.from(kept).equals(CONTENT.subarray(0, got)));
      const { get: getRest } = await originOf(context, workers, (_request, response) => {
        response.end(CONTENT.subarray(got));
      });
      const rest = { ...ALL, length: CONTENT.length - got };
      const second = (await getRest()).body.intake(rest, PIECE);
      await second.refill(kept);
      for (let at = kept.length; at < PIECE; ) at += await second.gather(at, PIECE - at);
      assert.ok(Buffer.from(await second.bytes()).equals(CONTENT.subarray(0, PIECE)));
      await Promise.all([first.close(), second.close()]);
    });

    test('more bytes than the stretch has is a wrong answer', async (context) => {
      const { get } = await originOf(context, workers);
      const intake = (await get()).body.intake({ ...ALL, length: 1_000 }, PIECE);
      const all = async (): Promise<void> => {
        for (let at = 0; ; ) at += await intake.gather(at, PIECE - at);
      };
      await assert.rejects(all, isError('origin_protocol'));
      await intake.close();
    });

    test('an abort ends it before and after the head, and closes the connection', async (context) => {
      const reason = new Error('enough');
      const closed: Promise<void>[] = [];
      const { get } = await originOf(context, workers, (request, response) => {
        closed.push(new Promise((resolve) => request.socket.once('close', () => resolve())));
        if (closed.length === 1) return;
        response.writeHead(200, { 'content-length': CONTENT.length });
        response.write(CONTENT.subarray(0, 1_000));
      });
      const early = new AbortController();
      const unanswered = get(early.signal);
      while (closed.length === 0) await sleep(2);
      early.abort(reason);
      await assert.rejects(unanswered, reason);
      const late = new AbortController();
      const intake = (await get(late.signal)).body.intake(ALL, PIECE);
      assert.equal(await intake.gather(0, PIECE), 1_000);
      const waiting = intake.gather(1_000, PIECE - 1_000);
      late.abort(reason);
      await assert.rejects(waiting, reason);
      await assert.rejects(intake.digest(), reason);
      await assert.rejects(get(late.signal), reason);
      await Promise.all(closed);
      assert.equal(closed.length, 2);
    });

    test('an origin that is not there is told of as such, and a body that was ended as well', async (context) => {
      const { side, get } = await originOf(context, workers);
      const nobody = new URL('http://127.0.0.1:1/');
      await assert.rejects(side.plane.bulkGet(nobody, {}, OPTIONS, NEVER), isError('network_unreachable'));
      const intake = (await get()).body.intake(ALL, PIECE);
      await intake.close();
      await assert.rejects(intake.gather(0, PIECE), isError('network_unreachable'));
    });

    test('a disk that does not take a piece is told of', async (context) => {
      const { get } = await originOf(context, workers);
      const intake = (await get()).body.intake(ALL, PIECE);
      await gatherPiece(intake, PIECE);
      await assert.rejects(intake.put({ fd: 999_999, offsetBytes: 0 }), isError('disk_io'));
      await intake.close();
    });

    test('bodies side by side keep apart, also where some are given up at any moment', async (context) => {
      const { get } = await originOf(context, workers);
      const read = async (turn: number): Promise<void> => {
        const abort = new AbortController();
        const isGivenUp = turn % 3 === 0;
        if (isGivenUp) setTimeout(() => abort.abort(new Error('enough')), turn);
        const intake = (await get(abort.signal)).body.intake(ALL, PIECE);
        const file = pieceFile(context);
        for (let piece = 0; piece < 3; piece += 1) {
          await gatherPiece(intake, PIECE);
          await intake.put(file.place(piece * PIECE));
        }
        assert.ok(file.read(3 * PIECE, 0).equals(CONTENT.subarray(0, 3 * PIECE)));
        await intake.close();
      };
      const reads = Array.from({ length: 24 }, (_, turn) => read(turn));
      const ends = await Promise.allSettled(reads);
      for (const [turn, end] of ends.entries()) {
        if (end.status === 'rejected') assert.match(String(end.reason), /enough/u);
        if (turn % 3 !== 0) assert.equal(end.status, 'fulfilled', `read ${turn}`);
      }
    });

    test('a data plane that stops ends what it reads', async (context) => {
      const { side, get } = await originOf(context, workers, (_request, response) => {
        response.writeHead(200, { 'content-length': CONTENT.length });
        response.write(CONTENT.subarray(0, 1_000));
      });
      const intake = (await get()).body.intake(ALL, PIECE);
      assert.equal(await intake.gather(0, PIECE), 1_000);
      const waiting = assert.rejects(intake.gather(1_000, PIECE - 1_000));
      await side.plane.stop();
      await waiting;
      await assert.rejects(get());
    });
  });
}

test('a body whose thread is lost is cut', async (context) => {
  const { side, get } = await originOf(context, 1, (_request, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length });
    response.write(CONTENT.subarray(0, 1_000));
  });
  const intake = (await get()).body.intake(ALL, PIECE);
  assert.equal(await intake.gather(0, PIECE), 1_000);
  const other = await sideOf(context, 0);
  const { link } = await join2(side, other, await other.plane.listen('127.0.0.1', 0));
  const waiting = assert.rejects(intake.gather(1_000, PIECE - 1_000), isError('network_unreachable'));
  // Has a bug end the thread: this message cannot be encoded.
  link.send({ kind: 'have', channel: 0, pieces: [-1] });
  await waiting;
  await assert.rejects(intake.bytes(), isError('network_unreachable'));
  await intake.close();
});
