// The key that names a host, in a file that only its owner reads. Made at the first start.

import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AnaxError,
  createIdentity,
  exportIdentity,
  type Identity,
  importIdentity,
  systemErrorCode,
  toAnaxError,
} from '../core/index.ts';

/** Throws `config_invalid` for a file that is no key, `output_unwritable`, `disk_full`. */
export async function loadIdentity(dataDir: string, name: 'daemon' | 'scheduler'): Promise<Identity> {
  const path = join(dataDir, `${name}-identity.pem`);
  try {
    return await readIdentity(path);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw toAnaxError(error);
  }
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await createExclusively(path);
    return await readIdentity(path);
  } catch (error) {
    throw toAnaxError(error);
  }
}

async function readIdentity(path: string): Promise<Identity> {
  const pem = await readFile(path, 'utf8');
  try {
    return importIdentity(pem);
  } catch {
    throw new AnaxError('config_invalid', `${path} holds no Ed25519 key`, {
      hint: 'move the file away: a new key is made at the next start',
    });
  }
}

/** Whole or not at all, and never over a key that another process made meanwhile. */
async function createExclusively(path: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  await writeFile(temporary, exportIdentity(createIdentity()), { mode: 0o600, flush: true });
  try {
    await chmod(temporary, 0o600);
    await link(temporary, path);
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}
