// What a committed file looks like from outside. Outputs may be hard links to a blob, and whoever owns one can write
// to it: a write changes the mtime. Compared before a blob is given out, at the price of one stat.

import type { BigIntStats } from 'node:fs';
import type { FileMark } from '../core/index.ts';

export interface Fingerprint {
  readonly sizeBytes: number;
  /** Nanoseconds since the epoch, and the inode: larger than a double holds, hence text. */
  readonly mtimeNs: string;
  readonly inode: string;
}

export function fingerprintOf(stats: BigIntStats): Fingerprint {
  return { sizeBytes: Number(stats.size), mtimeNs: String(stats.mtimeNs), inode: String(stats.ino) };
}

export function sameFingerprint(a: Fingerprint, b: Fingerprint): boolean {
  return a.sizeBytes === b.sizeBytes && a.mtimeNs === b.mtimeNs && a.inode === b.inode;
}

/** What an open file has of it: that another file took its place can't be seen there. */
export function markOf({ sizeBytes, mtimeNs }: Fingerprint): FileMark {
  return { sizeBytes, mtimeNs: BigInt(mtimeNs) };
}
