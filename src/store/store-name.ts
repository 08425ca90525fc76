// What a store is called in the names of temporary files outside it: chosen when it is first opened.

import { randomBytes } from 'node:crypto';
import { type TemporaryNames, temporaryNames } from '../core/index.ts';
import type { Layout } from './layout.ts';
import { readIfThere, type StoreFs, writeDurably } from './store-fs.ts';

const NAME_BYTES = 8;

/** To be called by who has the store's lock. A name that is damaged is replaced: what was called by it stays. */
export async function openTemporaryNames(fs: StoreFs, { nameFile }: Layout): Promise<TemporaryNames> {
  const known = (await readIfThere(fs, nameFile))?.toString('utf8').trim();
  const isWhole = known !== undefined && /^[0-9a-f]{16}$/u.test(known);
  const name = isWhole ? known : randomBytes(NAME_BYTES).toString('hex');
  if (!isWhole) await writeDurably(fs, nameFile, Buffer.from(`${name}\n`));
  return temporaryNames(name, randomBytes(NAME_BYTES).toString('hex'));
}
