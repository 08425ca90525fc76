import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { on } from './store-harness.ts';
import { testFolder } from './testing-store.ts';

on('a store knows the temporary files of its earlier openings, and no others', async (folder) => {
  const first = await folder.open();
  const [one, two] = [first.temporaryNames.next(), first.temporaryNames.next()];
  assert.notEqual(one, two);
  assert.equal(first.temporaryNames.isLeftover(one), false, 'in use');
  await first.stop();
  const again = await folder.open();
  for (const name of [one, two]) assert.equal(again.temporaryNames.isLeftover(name), true);
  assert.equal(again.temporaryNames.isLeftover(again.temporaryNames.next()), false);
  for (const name of ['model.bin', '.anax-notes.txt', `${one}x`, `x${one}`])
    assert.equal(again.temporaryNames.isLeftover(name), false, name);

  const elsewhere = await testFolder();
  try {
    const other = await elsewhere.open();
    assert.equal(other.temporaryNames.isLeftover(one), false, 'of another store');
  } finally {
    await elsewhere.close();
  }
});

on('a damaged name is replaced', async (folder) => {
  await (await folder.open()).stop();
  const path = join(folder.store, 'name');
  assert.match(await readFile(path, 'utf8'), /^[0-9a-f]{16}\n$/u);
  await writeFile(path, '../../etc');
  const store = await folder.open();
  assert.match(await readFile(path, 'utf8'), /^[0-9a-f]{16}\n$/u);
  assert.match(store.temporaryNames.next(), /^\.anax-[0-9a-f]{16}-[0-9a-f]{16}-0\.tmp$/u);
});
