// A store as the tests use it: blobs put in and read whole.

import { type AnaxError, type BlobStore, type ErrorCode, type OpenBlob } from '../../core/index.ts';
import { type TestBlob } from './content.ts';

export const hasErrorCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    (error as AnaxError).code === code;

export async function writeAll(blob: OpenBlob, content: TestBlob): Promise<void> {
  await Promise.all(
    Array.from({ length: content.pieces }, (_, i) => blob.write(i, content.piece(i), content.proof(i))),
  );
}

/** Puts a blob into a store, complete. */
export async function store(into: BlobStore, content: TestBlob): Promise<void> {
  const blob = await into.open(content.spec);
  await writeAll(blob, content);
  await blob.commit([content.sha256, content.gitSha1]);
  await blob.close();
}

export async function readAll(blob: OpenBlob, content: TestBlob): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let index = 0; index < content.pieces; index += 1) {
    const part = Buffer.alloc(content.piece(index).length);
    await blob.read(index, 0, part);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
