import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnaxError, MiB } from '../core/index.ts';
import { BufferPool } from './buffer-pool.ts';
import { PieceReceiver, type ReceivedPiece } from './piece-receiver.ts';
import { contentOf, proof } from './transport-harness.ts';

const SIZE = MiB;
const ID = { channel: 1, piece: 3 };

/** A receiver whose remote has begun the piece that was asked for. */
function begun(): {
  receiver: PieceReceiver;
  pool: BufferPool;
  abort: AbortController;
  got: Promise<ReceivedPiece | undefined>;
} {
  const pool = new BufferPool(16 * MiB);
  const receiver = new PieceReceiver({
    pool,
    createHasher: undefined,
    maxRequests: 4,
    send: () => undefined,
  });
  const abort = new AbortController();
  const got = receiver.request({ ...ID, sizeBytes: SIZE, signal: abort.signal }).catch(() => undefined);
  assert.equal(receiver.begin({ kind: 'piece', ...ID, sizeBytes: SIZE, proof }, 0), undefined);
  return { receiver, pool, abort, got };
}

test('a piece is put together from bytes that came in place and bytes that were copied', async () => {
  const { receiver, pool, got } = begun();
  const content = contentOf(3, SIZE);
  receiver.chunk(ID.channel, ID.piece, SIZE);
  receiver.chunkBytes(content, 0, 100);
  const place = receiver.place(SIZE - 100);
  assert.ok(place);
  assert.equal(place.length, SIZE - 100);
  content.copy(place, 0, 100, 5000);
  receiver.chunkBytes(place, 0, 4900);
  receiver.chunkBytes(content, 5000, SIZE);
  receiver.chunkEnd(1);
  assert.equal(receiver.place(0), undefined);
  const received = await got;
  assert.ok(received);
  assert.ok(received.bytes.equals(content));
  received.release();
  assert.equal(pool.leasedBytes, 0);
});

test('a buffer that the socket reads into comes back only when the socket has another', async () => {
  const { receiver, pool, abort, got } = begun();
  receiver.chunk(ID.channel, ID.piece, SIZE);
  const place = receiver.place(SIZE);
  assert.ok(place);
  abort.abort();
  assert.equal(await got, undefined);
  assert.equal(pool.leasedBytes, SIZE);
  receiver.chunkBytes(place, 0, 10);
  assert.equal(receiver.place(SIZE - 10), undefined);
  assert.equal(pool.leasedBytes, 0);
});

test('after the end of a link a buffer comes back when the socket is closed', async () => {
  const { receiver, pool } = begun();
  receiver.chunk(ID.channel, ID.piece, SIZE);
  assert.ok(receiver.place(SIZE));
  receiver.close(new AnaxError('network_unreachable', 'over'));
  assert.equal(pool.leasedBytes, SIZE);
  receiver.place(0);
  assert.equal(pool.leasedBytes, 0);
});
