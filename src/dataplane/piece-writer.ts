// Puts pieces into files that the other side has open, by number: it keeps a file open until its write is done.
//
// A write goes into the page cache, and is made by this thread itself while that is quick. (Measured over loopback into
// tmpfs: 1.28 times the throughput at 0.83 times the receiver's processor time.)

import { write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { AnaxError, DiskPace, type FileSpan, systemErrorCode } from '../core/index.ts';

const writeAt = promisify(write);

export class PieceWriter {
  readonly #pace = new DiskPace();

  /** Writes all of `bytes` at a place. Throws `disk_full`, `disk_io`. */
  async put({ fd, offsetBytes }: FileSpan, bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const left = bytes.length - done;
        done += this.#pace.isQuick(performance.now())
          ? this.#writeHere(fd, bytes, done, left, offsetBytes + done)
          : (await writeAt(fd, bytes, done, left, offsetBytes + done)).bytesWritten;
      }
    } catch (error) {
      throw toDiskError(error);
    }
  }

  #writeHere(...write: [fd: number, bytes: Uint8Array, from: number, length: number, at: number]): number {
    const beganMs = performance.now();
    const written = writeSync(...write);
    this.#pace.took(written, beganMs, performance.now());
    return written;
  }
}

function toDiskError(error: unknown): AnaxError {
  const code = systemErrorCode(error);
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  const message = error instanceof Error ? error.message : String(error);
  return new AnaxError(isFull ? 'disk_full' : 'disk_io', message, { cause: error });
}
