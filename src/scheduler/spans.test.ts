import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toRanges } from '../core/index.ts';
import { areSpans, common, joined, overlap, piecesIn, type Spans, splitAt, without } from './spans.ts';

const PIECES = 40;
const sets = fc.uniqueArray(fc.nat(PIECES - 1)).map((pieces) => new Set(pieces));

function spansOf(pieces: Iterable<number>): Spans {
  return toRanges([...pieces].toSorted((left, right) => left - right));
}

test('spans behave as sets of pieces', () => {
  fc.assert(
    fc.property(sets, sets, (left, right) => {
      const [one, other] = [spansOf(left), spansOf(right)];
      assert.equal(piecesIn(one), left.size);
      assert.deepEqual(
        joined(one, other),
        spansOf([...left].concat([...right].filter((piece) => !left.has(piece)))),
      );
      assert.deepEqual(without(one, other), spansOf([...left].filter((piece) => !right.has(piece))));
      assert.deepEqual(common(one, other), spansOf([...left].filter((piece) => right.has(piece))));
      assert.equal(
        overlap(one, other),
        [...left].some((piece) => right.has(piece)),
      );
      assert.ok(areSpans(one, PIECES));
      const [head, tail] = splitAt(one, 3);
      assert.equal(piecesIn(head), Math.min(3, left.size));
      assert.deepEqual(joined(head, tail), one);
    }),
  );
});

for (const spans of [
  [{ start: 3, end: 3 }],
  [{ start: 4, end: 3 }],
  [{ start: -1, end: 3 }],
  [{ start: 0, end: 41 }],
  [{ start: 0, end: 1.5 }],
  [
    { start: 4, end: 6 },
    { start: 5, end: 7 },
  ],
  [
    { start: 4, end: 6 },
    { start: 1, end: 2 },
  ],
]) {
  test(`what is not a list of spans is told (${JSON.stringify(spans)})`, () => {
    assert.equal(areSpans(spans, PIECES), false);
  });
}
