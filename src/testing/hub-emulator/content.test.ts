import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesContent, concatContent, fileContent, readAll, readFully, zeroContent } from './content.ts';
import { generatedContent } from './generated-content.ts';

const SIZE = 3_000_017;

test('every span of generated content equals the same span of the whole', async () => {
  const content = generatedContent({ seed: 'span', sizeBytes: SIZE });
  const whole = await readAll(content);
  await fc.assert(
    fc.asyncProperty(fc.nat(SIZE), fc.nat(20_000), async (offset, length) => {
      const target = Buffer.alloc(length);
      const read = await readFully(content, target, offset);
      assert.deepEqual(target.subarray(0, read), whole.subarray(offset, offset + length));
    }),
    { numRuns: 200 },
  );
});

test('generated content differs in every page and between seeds, and is the same in every run', async () => {
  const [a, b] = await Promise.all(
    ['a', 'b'].map((seed) => readAll(generatedContent({ seed, sizeBytes: SIZE }))),
  );
  assert.ok(a && b);
  const pages = new Set<string>();
  for (const whole of [a, b]) {
    for (let at = 0; at < whole.length; at += 4096)
      pages.add(whole.subarray(at, at + 4096).toString('latin1'));
  }
  assert.equal(pages.size, 2 * Math.ceil(SIZE / 4096));
  const digest = createHash('sha256').update(a).digest('hex');
  assert.equal(digest, '85387e2c30751fe12971ad018270e05610a268be730d5f02e65898d86c3118f4');
});

test('pages past 4 GiB and past 2^32 pages are addressable without making what is before them', async () => {
  const content = generatedContent({ seed: 1, sizeBytes: 2 ** 52, sha256: 'believed' });
  const [low, high] = [Buffer.alloc(4096), Buffer.alloc(4096)];
  await readFully(content, low, 2 ** 33);
  await readFully(content, high, 2 ** 50);
  assert.notDeepEqual(low, high);
  assert.equal(await content.sha256(), 'believed');
});

test('digests are those of the bytes, and of the git blob', async () => {
  const content = bytesContent('hello\n');
  assert.equal(await content.sha256(), createHash('sha256').update('hello\n').digest('hex'));
  assert.equal(await content.gitSha1(), 'ce013625030ba8dba906f756967f9e9ca394464a');
  assert.equal(await bytesContent('').gitSha1(), 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391');
});

test('a digest is computed once', async () => {
  let reads = 0;
  const source = zeroContent(10);
  const counting = concatContent([
    { ...source, readInto: (target, offset) => ((reads += 1), source.readInto(target, offset)) },
  ]);
  await counting.sha256();
  const after = reads;
  await counting.sha256();
  assert.ok(after > 0);
  assert.equal(reads, after);
});

test('a row of contents and a file on disk read as their bytes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'anax-content-'));
  try {
    await writeFile(join(folder, 'f'), 'from disk');
    const row = concatContent([
      bytesContent('one '),
      bytesContent(''),
      fileContent(join(folder, 'f')),
      zeroContent(2),
    ]);
    assert.equal((await readAll(row)).toString(), 'one from disk\0\0');
    assert.equal(await row.sha256(), createHash('sha256').update('one from disk\0\0').digest('hex'));
  } finally {
    await rm(folder, { recursive: true });
  }
});
