import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseByteRange } from './byte-range.ts';

const CASES: readonly [string | undefined, number, unknown][] = [
  [undefined, 10, { kind: 'whole' }],
  ['bytes=0-0', 10, { kind: 'part', start: 0, end: 1 }],
  ['bytes=3-', 10, { kind: 'part', start: 3, end: 10 }],
  ['bytes=3-99', 10, { kind: 'part', start: 3, end: 10 }],
  ['bytes=-4', 10, { kind: 'part', start: 6, end: 10 }],
  ['bytes=-40', 10, { kind: 'part', start: 0, end: 10 }],
  ['bytes=-0', 10, { kind: 'unsatisfiable' }],
  ['bytes=10-', 10, { kind: 'unsatisfiable' }],
  ['bytes=0-0', 0, { kind: 'unsatisfiable' }],
  ['bytes=0--1', 10, { kind: 'whole' }],
  ['bytes=5-2', 10, { kind: 'whole' }],
  ['bytes=-', 10, { kind: 'whole' }],
  ['bytes=0-1,3-4', 10, { kind: 'whole' }],
  ['items=0-1', 10, { kind: 'whole' }],
];

for (const [header, size, expected] of CASES) {
  test(`(16) Range ${header} of ${size} bytes`, () => {
    assert.deepEqual(parseByteRange(header, size), expected);
  });
}
