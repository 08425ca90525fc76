// Memory that stays warm until it is used. On a virtual machine the host takes free memory back within seconds, and to
// touch it anew costs up to 4 CPU-s/GiB, more than what is measured. So a reserve of files in memory is filled right
// before a delivery, and given back little by little as what the delivery writes grows: who asks the kernel for a page
// gets one that was in use a moment ago, as on a machine whose memory is its own.

import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { MiB } from '../../src/core/index.ts';
import { MEMORY_FOLDER } from './workspace.ts';

const FILE_BYTES = 16 * MiB;
/** Of the memory that is free, so that nothing else on the machine is driven out. */
const SHARE = 0.7;
/** Given back before it is asked for. */
const AHEAD_BYTES = 64 * MiB;
const LOOK_MS = 20;

export class WarmReserve {
  readonly #paths: string[] = [];
  #usedBytes = 0;
  #releasedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  /** Fills the reserve, and gives it back from now on as the folder for memory fills. */
  async fill(sizeBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(MEMORY_FOLDER);
    const files = Math.floor(Math.min(sizeBytes, bavail * bsize * SHARE) / FILE_BYTES);
    for (let at = 0; at < files; at += 1) await this.#addFile(at);
    this.#usedBytes = await usedBytes();
    this.#timer = setInterval(() => void (this.#looking ??= this.#look()), LOOK_MS);
    await this.#look();
  }

  /** Gives back what is left. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    for (const path of this.#paths.splice(0)) await rm(path, { force: true });
  }

  async #addFile(at: number): Promise<void> {
    const path = join(MEMORY_FOLDER, `anax-warm-${process.pid}-${at}`);
    const file = await open(path, 'wx');
    this.#paths.push(path);
    try {
      const block = Buffer.alloc(4 * MiB, 1);
      for (let done = 0; done < FILE_BYTES; done += block.length)
        await file.write(block, 0, block.length, done);
    } finally {
      await file.close();
    }
  }

  async #look(): Promise<void> {
    const written = (await usedBytes()) + this.#releasedBytes - this.#usedBytes;
    while (this.#releasedBytes < written + AHEAD_BYTES) {
      const path = this.#paths.pop();
      if (path === undefined) break;
      await rm(path, { force: true });
      this.#releasedBytes += FILE_BYTES;
    }
    this.#looking = undefined;
  }
}

async function usedBytes(): Promise<number> {
  const { blocks, bfree, bsize } = await statfs(MEMORY_FOLDER);
  return (blocks - bfree) * bsize;
}
