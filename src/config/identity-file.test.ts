import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../core/index.ts';
import { loadIdentity } from './index.ts';

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'anax-identity-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the identity is made once, kept, and readable by its owner only', async () => {
  await inFolder(async (folder) => {
    const data = join(folder, 'deep', 'data');
    const [first, second] = await Promise.all([loadIdentity(data, 'daemon'), loadIdentity(data, 'daemon')]);
    assert.equal(first.id, second.id);
    assert.equal((await loadIdentity(data, 'daemon')).id, first.id);
    assert.notEqual((await loadIdentity(data, 'scheduler')).id, first.id);
    assert.equal((await stat(join(data, 'daemon-identity.pem'))).mode & 0o777, 0o600);
  });
});

test('a damaged key file is an error that names it, and is left alone', async () => {
  await inFolder(async (folder) => {
    await writeFile(join(folder, 'daemon-identity.pem'), 'nonsense');
    await assert.rejects(loadIdentity(folder, 'daemon'), (error) => hasCode(error, 'config_invalid'));
  });
});
