// The files that the suite publishes: sizes around the borders that matter, and names that break careless URLs.

import type { FixtureFiles } from './fixture.ts';

/** Bytes that look random and are the same each time. */
export function sampleBytes(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let state = (seed + 1) * 0x9e3779b9;
  for (let index = 0; index < sizeBytes; index += 1) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    bytes[index] = state >>> 13;
  }
  return bytes;
}

/** Over the 1 MiB from which hubs keep a file apart. */
export const LARGE_FILE = 'weights/model.bin';
export const LARGE_BYTES = 1_300_123;
export const SMALL_FILE = 'config.json';
export const EMPTY_FILE = 'empty.txt';

const ODD_NAMES = [
  'hash#tag.txt',
  'percent%20literal.txt',
  '100%.txt',
  'two words.txt',
  'plus+sign&and=more.txt',
  'question?mark.txt',
  'größe-模型-🙂.txt',
  "quote'(1)!~*.txt",
  'at@sign.txt',
  '.hidden',
];

export function sampleFiles(): FixtureFiles {
  const odd = ODD_NAMES.map((name, index) => [`odd/${name}`, sampleBytes(50 + index, index)] as const);
  return {
    [SMALL_FILE]: Buffer.from('{"architectures":["Sample"]}'),
    [EMPTY_FILE]: new Uint8Array(0),
    [LARGE_FILE]: sampleBytes(LARGE_BYTES, 7),
    'weights/part-2.txt': sampleBytes(5000, 8),
    'a/b/c/d/one-byte': sampleBytes(1, 9),
    ...Object.fromEntries(odd),
  };
}
