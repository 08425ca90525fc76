// Listings that lie and names that are odd: the first write nothing at all, the second arrive with the right content.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ErrorCode } from '../../src/core/index.ts';
import {
  type HuggingFaceHub,
  type ModelScopeHub,
  startHuggingFaceHub,
  startModelScopeHub,
} from '../../src/testing/hub-emulator/index.ts';
import { assertArrived, assertFailedClean, errand, filesIn } from './errand.ts';

let huggingFace: HuggingFaceHub;
let modelScope: ModelScopeHub;

before(async () => {
  huggingFace = await startHuggingFaceHub();
  modelScope = await startModelScopeHub();
});

after(async () => {
  await Promise.all([huggingFace.close(), modelScope.close()]);
});

const endpoints = (): Record<string, string> => ({
  HF_ENDPOINT: huggingFace.url,
  MODELSCOPE_ENDPOINT: modelScope.url,
});

interface HostileEntry {
  readonly path: string;
  readonly size: number;
}

const PLAIN = { 'config.json': '{}', 'sub/a.txt': 'A' };

const HOSTILE: readonly (readonly [what: string, HostileEntry, ErrorCode])[] = [
  ['a path that climbs out', { path: '../evil.txt', size: 1 }, 'listing_unsafe'],
  ['a path that climbs out further in', { path: 'sub/../../evil.txt', size: 1 }, 'listing_unsafe'],
  ['an absolute path', { path: '/tmp/anax-evil.txt', size: 1 }, 'listing_unsafe'],
  ['a path with an empty part', { path: 'sub//evil.txt', size: 1 }, 'listing_unsafe'],
  ['a path with a line break', { path: 'evil\n.txt', size: 1 }, 'listing_unsafe'],
  ['the same path twice', { path: 'config.json', size: 2 }, 'listing_unsafe'],
  ['a path that is a file and a folder', { path: 'config.json/evil.txt', size: 1 }, 'listing_unsafe'],
  ['a negative size', { path: 'evil.txt', size: -1 }, 'origin_protocol'],
  ['a broken size', { path: 'evil.txt', size: 1.5 }, 'origin_protocol'],
  ['a size beyond all measure', { path: 'evil.txt', size: 2 ** 60 }, 'origin_protocol'],
];

describe('a listing with', { concurrency: 2 }, () => {
  for (const [at, [what, entry, code]] of HOSTILE.entries()) {
    const id = `acme/hostile-${at}`;
    const digest = 'e'.repeat(40);
    const { path, size } = entry;

    test(`${what} is refused as a whole (Hugging Face)`, async (context) => {
      const raw = { type: 'file', path, size, oid: digest };
      huggingFace.putRepo({ id, revisions: { main: PLAIN }, rawEntries: [raw] });
      const person = await errand(context, endpoints());
      await assertFailedClean(person, await person.get(`hf://${id}`), code);
      assert.deepEqual(await filesOutside(person.folder), []);
    });

    test(`${what} is refused as a whole (ModelScope)`, async (context) => {
      const raw = { Type: 'blob', Path: path, Size: size, Sha256: 'e'.repeat(64) };
      modelScope.putRepo({ id, revisions: { master: PLAIN }, rawEntries: [raw] });
      const person = await errand(context, endpoints());
      await assertFailedClean(person, await person.get(`modelscope://${id}`), code);
      assert.deepEqual(await filesOutside(person.folder), []);
    });
  }
});

/** Whatever is in the person's folder beside the cache. */
async function filesOutside(folder: string): Promise<string[]> {
  return (await filesIn(folder)).filter((path) => !path.startsWith('cache/'));
}

const ODD: Readonly<Record<string, string>> = {
  'a file with spaces.txt': 'spaces',
  'sharp#1?.txt': 'sharp',
  '100%.txt': 'percent',
  '%2e%2e%2fescaped.txt': 'escaped',
  'a+b=c&d;e.txt': 'plus',
  'größe/模型-🤗.txt': 'wide',
  'quotes\'and"more".txt': 'quotes',
  '@main/at.txt': 'at',
  '-dash.txt': 'dash',
  '.hidden': 'hidden',
  [`${'deep/'.repeat(40)}down.txt`]: 'deep',
  [`${'n'.repeat(240)}.txt`]: 'long',
  'empty.bin': '',
};

/** Each also as a large file, which is fetched by another way. */
function oddFiles() {
  const large = Object.entries(ODD).map(
    ([path, text]) => [`large/${path}`, { content: text, lfs: true }] as const,
  );
  return { ...ODD, ...Object.fromEntries(large) };
}

describe('odd names', { concurrency: 2 }, () => {
  test('arrive from a Hugging Face hub with the right content', async (context) => {
    huggingFace.putRepo({ id: 'acme/odd', revisions: { main: oddFiles() } });
    const person = await errand(context, endpoints());
    await assertArrived(person, await person.get('hf://acme/odd'));
    for (const [path, text] of Object.entries(ODD)) {
      assert.equal(await readFile(join(person.out, path), 'utf8'), text);
      assert.equal(await readFile(join(person.out, 'large', path), 'utf8'), text);
    }
  });

  test('arrive from a ModelScope hub with the right content', async (context) => {
    modelScope.putRepo({ id: 'acme/odd', revisions: { master: oddFiles() } });
    const person = await errand(context, endpoints());
    await assertArrived(person, await person.get('modelscope://acme/odd'));
    for (const [path, text] of Object.entries(ODD)) {
      assert.equal(await readFile(join(person.out, path), 'utf8'), text);
    }
  });

  test('an empty repository is an empty folder', async (context) => {
    huggingFace.putRepo({ id: 'acme/empty', revisions: { main: {} } });
    modelScope.putRepo({ id: 'acme/empty', revisions: { master: {} } });
    for (const scheme of ['hf', 'modelscope']) {
      const person = await errand(context, endpoints());
      const result = await person.get(`${scheme}://acme/empty`);
      assert.equal(result.exitCode, 0, result.stderr);
      assert.deepEqual(await filesOutside(person.folder), []);
      assert.equal(result.summary?.outputPath, person.out);
    }
  });
});
