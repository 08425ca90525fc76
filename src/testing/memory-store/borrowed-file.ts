// A nameless file for as long as somebody wants a place in one: the memory store has none of its own.

import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface BorrowedFile {
  readonly fd: number;
  /** Idempotent. */
  readonly release: () => void;
}

export function borrowFile(): BorrowedFile {
  const folder = mkdtempSync(join(tmpdir(), 'anax-memory-'));
  const fd = openSync(join(folder, 'piece'), 'wx+', 0o600);
  rmSync(folder, { recursive: true });
  let released = false;
  return {
    fd,
    release: () => {
      if (!released) closeSync(fd);
      released = true;
    },
  };
}
