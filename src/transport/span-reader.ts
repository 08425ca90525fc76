// Reads pieces out of files that the owner has open, by number.
//
// A small step is read by this thread itself while that is quick: on slow links they are many, and each wait for the pool
// is two more wakes. Large ones are left to the pool, which reads the next while this thread writes the one before.

import { read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { AnaxError, DiskPace, type FileSpan, KiB, toAnaxError } from '../core/index.ts';

const readAt = promisify(read);

/** Half of the largest step: links that take more at once are quick enough to be read ahead for. */
const SMALL_BYTES = 256 * KiB;

export class SpanReader {
  readonly #pace = new DiskPace();

  /**
   * Fills `target` with the span's bytes from `offset` on; `undefined` where it is filled already. Throws or rejects with
   * `disk_io`, and `piece_corrupt` where the file ends before.
   */
  read(span: FileSpan, offset: number, target: Buffer): Promise<void> | undefined {
    const bytes = this.#isInline(target.length) ? this.#readHere(...readOf(span, offset, target, 0)) : 0;
    return bytes === target.length ? undefined : this.#readRest(span, offset, target, bytes);
  }

  async #readRest(span: FileSpan, offset: number, target: Buffer, already: number): Promise<void> {
    for (let done = already; done < target.length; ) {
      const bytes = await readByPool(...readOf(span, offset, target, done));
      if (bytes === 0) throw new AnaxError('piece_corrupt', 'the file is shorter than its blob');
      done += bytes;
    }
  }

  #isInline(bytes: number): boolean {
    return bytes <= SMALL_BYTES && this.#pace.isQuick(performance.now());
  }

  #readHere(...read: Read): number {
    const beganMs = performance.now();
    try {
      const bytes = readSync(...read);
      this.#pace.took(bytes, beganMs, performance.now());
      return bytes;
    } catch (error) {
      throw toAnaxError(error, 'disk_io');
    }
  }
}

type Read = [fd: number, target: Buffer, from: number, length: number, at: number];

function readOf({ fd, offsetBytes }: FileSpan, offset: number, target: Buffer, done: number): Read {
  return [fd, target, done, target.length - done, offsetBytes + offset + done];
}

async function readByPool(...read: Read): Promise<number> {
  try {
    return (await readAt(...read)).bytesRead;
  } catch (error) {
    throw toAnaxError(error, 'disk_io');
  }
}
