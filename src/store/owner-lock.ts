// One process owns a store. The lock is SQLite's on an empty database file: the kernel gives it back however the process
// ends, so there is no stale lock to break. It is a file of its own, so that the index can be replaced under it.

import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { AnaxError, type Clock, type Logger } from '../core/index.ts';

export interface OwnerLock {
  release(): void;
}

export interface OwnerLockOptions {
  readonly path: string;
  /** How long to wait for another owner, in milliseconds; 0 fails at once. */
  readonly waitMs: number;
  readonly signal?: AbortSignal;
}

const POLL_MS = 200;
const SQLITE_BUSY = 5;

/** Throws `store_locked` where another process keeps the lock, with its process id in the details. */
export async function takeOwnerLock(
  deps: { clock: Clock; logger: Logger },
  { path, waitMs, signal }: OwnerLockOptions,
): Promise<OwnerLock> {
  const deadlineMs = deps.clock.now() + waitMs;
  for (let told = false; ; told = true) {
    const lock = tryLock(path);
    if (lock) return lock;
    const owner = await ownerOf(path);
    if (deps.clock.now() >= deadlineMs) throw lockedError(path, owner);
    if (!told) deps.logger.info('waiting for another process that uses the store', { path, owner, waitMs });
    await deps.clock.sleep(POLL_MS, signal);
  }
}

function tryLock(path: string): OwnerLock | undefined {
  const database = new DatabaseSync(path);
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  // Only for messages: what counts is the lock.
  writeFileSync(ownerFile(path), `${process.pid}\n`);
  return { release: () => database.close() };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

function ownerFile(path: string): string {
  return `${path}.pid`;
}

async function ownerOf(path: string): Promise<string> {
  return (await readFile(ownerFile(path), 'utf8').catch(() => '')).trim() || 'unknown';
}

function lockedError(path: string, owner: string): AnaxError {
  return new AnaxError('store_locked', `process ${owner} has ${path}`, { details: { path, owner } });
}
