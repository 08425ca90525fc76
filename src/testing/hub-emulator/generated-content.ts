/**
 * Deterministic pseudo-random content of any size, addressable at every offset and made at memory-copy speed.
 * A block of 1 MiB is a window, drawn by seed and block, of one fixed keystream; each 4 KiB page is then
 * stamped with seed and page number, so no two pages of any content are equal and a shifted or swapped piece
 * never hashes right. Not meant to be secret, only incompressible and distinct.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { type Content, type KnownDigests, makeContent } from './content.ts';

const BLOCK_BYTES = 1 << 20;
const PAGE_BYTES = 4096;
const STAMP_BYTES = 16;
const POOL_BYTES = 4 << 20;
/** AES-CTR over zeros: the same 4 MiB in every process. */
const POOL = createCipheriv('aes-256-ctr', Buffer.alloc(32, 7), Buffer.alloc(16)).update(
  Buffer.alloc(POOL_BYTES),
);

export interface GeneratedOptions extends KnownDigests {
  readonly seed: string | number;
  readonly sizeBytes: number;
}

export function generatedContent({ seed, sizeBytes, ...known }: GeneratedOptions): Content {
  const key = createHash('sha256').update(`anax-generated:${seed}`).digest();
  const read = (target: Uint8Array, offsetBytes: number): number => {
    const length = Math.max(0, Math.min(target.byteLength, sizeBytes - offsetBytes));
    const out = Buffer.from(target.buffer, target.byteOffset, length);
    copyWindows(key, out, offsetBytes);
    stampPages(key, out, offsetBytes);
    return length;
  };
  return makeContent(sizeBytes, read, known);
}

function copyWindows(key: Buffer, out: Buffer, offsetBytes: number): void {
  for (let done = 0; done < out.length; ) {
    const at = offsetBytes + done;
    const block = Math.floor(at / BLOCK_BYTES);
    const inBlock = at - block * BLOCK_BYTES;
    const length = Math.min(BLOCK_BYTES - inBlock, out.length - done);
    const start = windowStart(key, block) + inBlock;
    POOL.copy(out, done, start, start + length);
    done += length;
  }
}

/** Where in the pool a block begins: a multiplicative hash of seed and block number. */
function windowStart(key: Buffer, block: number): number {
  const mixed = Math.imul(key.readUInt32LE(8) ^ block, 0x9e3779b1) >>> 0;
  return mixed % (POOL_BYTES - BLOCK_BYTES);
}

function stampPages(key: Buffer, out: Buffer, offsetBytes: number): void {
  const stamp = Buffer.from(key.subarray(0, STAMP_BYTES));
  const end = offsetBytes + out.length;
  for (let page = Math.floor(offsetBytes / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
    stamp.writeUInt32LE(page >>> 0, 8);
    stamp.writeUInt32LE(Math.floor(page / 2 ** 32), 12);
    const at = page * PAGE_BYTES - offsetBytes;
    if (at >= 0) stamp.copy(out, at);
    else if (at > -STAMP_BYTES) stamp.copy(out, 0, -at);
  }
}
