import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { KiB, MiB } from '../core/index.ts';
import type { PieceToSend } from './piece-step.ts';
import { contentOf, type LinkPair, linkPair, openChannel, proof, readerOf } from './transport-harness.ts';

/** Another hash than the real one, which is not this folder's to know. */
const createHasher = () => createHash('sha256');

/** The dialer asks for pieces, the acceptor answers with what `item` makes of the request. */
async function exchange(
  pair: LinkPair,
  sizes: readonly number[],
  item: (piece: number) => Omit<PieceToSend, 'channel' | 'piece' | 'proof'>,
) {
  const channel = await openChannel(pair.dialer, pair.dialled, pair.acceptor, pair.accepted);
  const got = sizes.map((sizeBytes, piece) => pair.dialled.requestPiece({ channel, piece, sizeBytes }));
  const given = sizes.map(async () => {
    const message = await pair.acceptor.inbox.next();
    assert.equal(message.kind, 'request');
    if (message.kind !== 'request') return;
    const { piece } = message;
    await pair.accepted.sendPiece({ channel, piece, proof, ...item(piece) } as PieceToSend);
  });
  return await Promise.all([Promise.allSettled(got), Promise.allSettled(given)]);
}

async function withFile(content: Buffer, use: (file: FileHandle) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'anax-pieces-'));
  const file = await open(join(folder, 'blob'), 'wx+');
  try {
    await file.write(content);
    await use(file);
  } finally {
    await file.close();
    await rm(folder, { recursive: true });
  }
}

for (const acceptedReads of ['onread', 'data'] as const) {
  test(`pieces come with the digest of their bytes (${acceptedReads})`, async () => {
    await using pair = await linkPair({ createHasher, acceptedReads }, { acceptedReads });
    const sizes = [1, 1000, 512 * KiB, 512 * KiB + 1, 3 * MiB + 17, 16 * MiB];
    const [got] = await exchange(pair, sizes, (piece) => ({
      sizeBytes: sizes[piece] ?? 0,
      read: readerOf(contentOf(piece, sizes[piece] ?? 0)),
    }));
    for (const [piece, result] of got.entries()) {
      assert.ok(result.status === 'fulfilled');
      const { bytes, digest } = result.value;
      assert.ok(bytes.equals(contentOf(piece, sizes[piece] ?? 0)), `piece ${piece}`);
      assert.deepEqual(Buffer.from(digest ?? []), createHasher().update(bytes).digest());
      result.value.release();
    }
  });
}

test('a piece can be read from its place in an open file', async () => {
  const content = contentOf(1, 5 * MiB);
  await withFile(content, async (file) => {
    await using pair = await linkPair();
    const { size, mtimeNs } = await file.stat({ bigint: true });
    const [got] = await exchange(pair, [2 * MiB, 3 * MiB - 5], (piece) => ({
      sizeBytes: piece === 0 ? 2 * MiB : 3 * MiB - 5,
      span: { fd: file.fd, offsetBytes: piece * 2 * MiB, mark: { sizeBytes: Number(size), mtimeNs } },
    }));
    const parts = got.map((result) => (result.status === 'fulfilled' ? result.value.bytes : Buffer.alloc(0)));
    assert.ok(Buffer.concat(parts).equals(content.subarray(0, 5 * MiB - 5)));
  });
});

test('a file that ends early or was changed ends the answer, and nothing else', async () => {
  await withFile(contentOf(1, 1 * MiB), async (file) => {
    const mark = { sizeBytes: 1 * MiB, mtimeNs: 1n };
    for (const span of [
      { fd: file.fd, offsetBytes: 1 * MiB - 10 },
      { fd: file.fd, offsetBytes: 0, mark },
    ]) {
      await using pair = await linkPair();
      const [got, given] = await exchange(pair, [600 * KiB], () => ({ sizeBytes: 600 * KiB, span }));
      assert.ok(got[0]?.status === 'rejected');
      assert.equal(got[0].reason.reason, 'error');
      assert.ok(given[0]?.status === 'rejected');
      assert.equal(given[0].reason.code, 'piece_corrupt');
      assert.equal(pair.accepted.stats.requestsIn, 0);
      assert.equal((await pair.dialled.call('still', Buffer.from('here'))).length, 0);
    }
  });
});
