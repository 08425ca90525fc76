// Pieces: written, put in place by others, read, dropped.

import assert from 'node:assert/strict';
import { readSync, writeSync } from 'node:fs';
import { MiB, type OpenBlob } from '../../core/index.ts';
import { testBlob } from './content.ts';
import { hasErrorCode, readAll, writeAll } from './store-use.ts';
import { type On } from './under-test.ts';

export function pieceTests(on: On): void {
  on('a written piece is held, and read back with its proof, whole and in parts', async ({ store: s }) => {
    const content = testBlob(1, 2.5 * MiB);
    const blob = await s.open({ ...content.spec });
    assert.equal(blob.state, 'partial');
    assert.equal(blob.held.count, 0);
    await blob.write(2, content.piece(2), content.proof(2));
    assert.deepEqual([...blob.held.values()], [2]);
    assert.deepEqual(blob.proof(2), content.proof(2));
    assert.equal(blob.proof(0), undefined);
    const part = Buffer.alloc(1000);
    await blob.read(2, 77, part);
    assert.ok(part.equals(content.piece(2).subarray(77, 1077)));
    await blob.close();
  });

  on('pieces written at the same time, in any order, do not mix', async ({ store: s }) => {
    const content = testBlob(2, 6 * MiB + 1);
    const blob = await s.open(content.spec);
    const order = [5, 0, 6, 3, 1, 4, 2, 3, 5];
    await Promise.all(order.map((i) => blob.write(i, content.piece(i), content.proof(i))));
    assert.ok(blob.held.isFull);
    assert.ok((await readAll(blob, content)).equals(content.bytes));
    await blob.close();
  });

  on(
    'a piece that somebody else puts in its place is held, and can be read where it is',
    async ({ store: s }) => {
      const content = testBlob(6, 2.5 * MiB);
      const blob = await s.open(content.spec);
      for (const index of [2, 0]) {
        const bytes = content.piece(index);
        await blob.fill(index, content.proof(index), async ({ fd, offsetBytes }) => {
          assert.equal(blob.held.has(index), false);
          assert.equal(writeSync(fd, bytes, 0, bytes.length, offsetBytes), bytes.length);
        });
        assert.deepEqual(blob.proof(index), content.proof(index));
        assert.ok(spanBytes(blob, index, bytes.length).equals(bytes));
        const part = Buffer.alloc(1000);
        await blob.read(index, 77, part);
        assert.ok(part.equals(bytes.subarray(77, 1077)));
      }
      assert.throws(() => blob.span(1), hasErrorCode('blob_not_found'));
      await blob.write(1, content.piece(1), content.proof(1));
      await blob.commit([]);
      assert.ok(spanBytes(blob, 1, MiB).equals(content.piece(1)));
      await blob.close();
    },
  );

  on('a piece that is not put is not held, and one that is held is not put again', async ({ store: s }) => {
    const content = testBlob(7, 1 * MiB);
    const blob = await s.open(content.spec);
    const puts: number[] = [];
    const failing = blob.fill(0, content.proof(0), async () => {
      puts.push(0);
      throw new Error('no bytes');
    });
    await assert.rejects(failing, { message: 'no bytes' });
    assert.equal(blob.held.count, 0);
    await blob.write(0, content.piece(0), content.proof(0));
    await blob.fill(0, content.proof(0), async () => void puts.push(1));
    assert.deepEqual(puts, [0]);
    await blob.close();
  });

  on('a span is good until it is released, whatever becomes of its blob', async ({ store: s }) => {
    const content = testBlob(8, 1 * MiB);
    const blob = await s.open(content.spec);
    await blob.write(0, content.piece(0), content.proof(0));
    const span = blob.span(0);
    await blob.discard();
    await blob.close();
    const bytes = Buffer.alloc(MiB);
    assert.equal(readSync(span.fd, bytes, 0, MiB, span.offsetBytes), MiB);
    assert.ok(bytes.equals(content.piece(0)));
    span.release();
    span.release();
  });

  on('writing a held piece changes nothing', async ({ store: s }) => {
    const content = testBlob(3, 1 * MiB);
    const blob = await s.open(content.spec);
    await blob.write(0, content.piece(0), content.proof(0));
    await blob.write(0, content.piece(0), content.proof(0, 'another'));
    assert.deepEqual(blob.proof(0), content.proof(0));
    await blob.close();
  });

  on('a proof can be replaced by one of the same digest only', async ({ store: s }) => {
    const content = testBlob(4, 2 * MiB);
    const blob = await s.open(content.spec);
    await blob.write(0, content.piece(0), content.proof(0));
    await blob.setProof(0, content.proof(0, 'me'));
    assert.deepEqual(blob.proof(0), content.proof(0, 'me'));
    await assert.rejects(blob.setProof(0, content.proof(1)), { name: 'AssertionError' });
    await assert.rejects(blob.setProof(1, content.proof(1)), hasErrorCode('blob_not_found'));
    await blob.close();
  });

  on('a dropped piece is not held, not read, and can be written again', async ({ store: s }) => {
    const content = testBlob(5, 2 * MiB);
    const blob = await s.open(content.spec);
    await writeAll(blob, content);
    await blob.drop([1]);
    await blob.drop([1]);
    assert.deepEqual([...blob.held.values()], [0]);
    await assert.rejects(blob.read(1, 0, Buffer.alloc(1)), hasErrorCode('blob_not_found'));
    await blob.write(1, content.piece(1), content.proof(1));
    assert.ok((await readAll(blob, content)).equals(content.bytes));
    await blob.close();
  });

  on('a piece of a wrong length is a bug of the caller', async ({ store: s }) => {
    const content = testBlob(6, 1.5 * MiB);
    const blob = await s.open(content.spec);
    await assert.rejects(blob.write(1, content.piece(0), content.proof(1)), { name: 'AssertionError' });
    await blob.close();
    await assert.rejects(s.open({ ...content.spec, sizeBytes: 0 }), { name: 'AssertionError' });
  });
}

function spanBytes(blob: OpenBlob, index: number, length: number): Buffer {
  const { fd, offsetBytes, release } = blob.span(index);
  const bytes = Buffer.alloc(length);
  assert.equal(readSync(fd, bytes, 0, length, offsetBytes), length);
  release();
  return bytes;
}
