// A test with a store folder of its own, a blob, and what somebody else does to its file.

import { chmod, open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Logger, MiB, silentLogger } from '../core/index.ts';
import { testBlob } from '../testing/store-conformance/index.ts';
import { type TestFolder, testFolder } from './testing-store.ts';

/** A test with a folder of its own. */
export const on = (what: string, run: (folder: TestFolder) => Promise<void>): void => {
  test(what, async () => {
    const folder = await testFolder();
    try {
      await run(folder);
    } finally {
      await folder.close();
    }
  });
};

export const content = testBlob(200, 3.5 * MiB);
const hex = content.spec.digest.slice('sha256:'.length);

export function blobPath(folder: TestFolder): string {
  return join(folder.store, 'blobs', 'sha256', hex.slice(0, 2), hex);
}

/** As a user does who owns a hard link to the blob. */
export async function scribble(path: string, position: number): Promise<void> {
  await chmod(path, 0o644);
  const file = await open(path, 'r+');
  await file.write(Buffer.from('scribble'), 0, 8, position);
  await file.close();
}

export function warnings(): { logger: Logger; messages: string[] } {
  const messages: string[] = [];
  return { logger: { ...silentLogger, warn: (message) => void messages.push(message) }, messages };
}
