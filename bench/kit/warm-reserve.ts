// Memory that stays warm until it is used. On a virtual machine the host takes free memory back within seconds, and to
// touch it anew costs up to 4 CPU-s/GiB, more than what is measured. So a reserve of files in memory is filled right
// before a delivery, and given back little by little as what the delivery writes grows: who asks the kernel for a page
// gets one that was in use a moment ago, as on a machine whose memory is its own.

import { rmSync } from 'node:fs';
import { mkdtemp, open, rm, statfs } from 'node:fs/promises';
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
  readonly #prefix: string;
  readonly #paths: string[] = [];
  #folder: string | undefined;
  /** An interrupted run ends without `release`. */
  readonly #onExit = (): void => {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  };
  #usedBytes = 0;
  #releasedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  /** Its files are in a folder of this prefix, so that the next run finds what a killed one left. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Fills the reserve, and gives it back from now on as the folder for memory fills. */
  async fill(sizeBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(MEMORY_FOLDER);
    const files = Math.floor(Math.min(sizeBytes, bavail * bsize * SHARE) / FILE_BYTES);
    process.once('exit', this.#onExit);
    this.#folder = await mkdtemp(join(MEMORY_FOLDER, this.#prefix));
    for (let at = 0; at < files; at += 1) await this.#addFile(join(this.#folder, String(at)));
    this.#usedBytes = await usedBytes();
    await this.#look();
    this.#timer = setInterval(() => void (this.#looking ??= this.#look()), LOOK_MS);
  }

  /** Gives back what is left. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    process.off('exit', this.#onExit);
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }

  async #addFile(path: string): Promise<void> {
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
