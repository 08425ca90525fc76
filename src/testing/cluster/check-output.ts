// Compares what a download left on disk with what the hub published.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { contentAlgorithm, createContentHasher, parseDigest } from '../../core/index.ts';
import type { DownloadFile } from '../../rpc/index.ts';

/** The files whose content is not what it should be; empty where all is well. */
export async function wrongFiles(folder: string, files: readonly DownloadFile[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const file of files) if (!(await isRight(join(folder, file.path), file))) wrong.push(file.path);
  return wrong;
}

async function isRight(path: string, { sizeBytes, digest }: DownloadFile): Promise<boolean> {
  const expected = parseDigest(digest);
  const algorithm = contentAlgorithm(expected);
  const { size } = await stat(path).catch(() => ({ size: -1 }));
  if (size !== sizeBytes) return false;
  if (!algorithm) return true;
  const hasher = createContentHasher(algorithm, sizeBytes);
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    hasher.update(chunk as Buffer);
  }
  return hasher.digest() === expected;
}
