// Puts a piece into a file that the other side has open, by number: it keeps it open until this is done.

import { write } from 'node:fs';
import { promisify } from 'node:util';
import { AnaxError, type FileSpan, systemErrorCode } from '../core/index.ts';

const writeAt = promisify(write);

/** Writes all of `bytes` at a place. Throws `disk_full`, `disk_io`. */
export async function putPiece({ fd, offsetBytes }: FileSpan, bytes: Uint8Array): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await writeAt(fd, bytes, done, bytes.length - done, offsetBytes + done);
      done += bytesWritten;
    }
  } catch (error) {
    throw toDiskError(error);
  }
}

function toDiskError(error: unknown): AnaxError {
  const code = systemErrorCode(error);
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  const message = error instanceof Error ? error.message : String(error);
  return new AnaxError(isFull ? 'disk_full' : 'disk_io', message, { cause: error });
}
