import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createWidth, noteTook, type Width } from './width.ts';

const USUAL_MS = 30;

/** Pieces that took so long each against what is usual. */
function take(width: Width, ...ratios: number[]): Width {
  for (const ratio of ratios) noteTook(width, ratio * USUAL_MS, USUAL_MS, 1);
  return width;
}

test('a link of a quarter of the usual rate takes one piece at a time, and keeps to that', () => {
  const width = take(createWidth(3), 4, 4, 4, 4);
  assert.equal(width.now, 1);
  assert.equal(
    take(width, 1.33, 1.33, 1.33, 1.33).now,
    1,
    'alone a piece takes 4/3 of a third of the usual link',
  );
});

test('a link of half the usual rate takes two', () => {
  const width = take(createWidth(3), 2, 2, 2, 2);
  assert.equal(width.now, 2);
  assert.equal(take(width, 1.33, 1.33, 1.33, 1.33).now, 2);
});

test('where even one at a time takes too long, that is found anew after as many pieces again', () => {
  const width = take(createWidth(3), 9, 9, 9, 9);
  const findings = [1, 2, 3, 4, 5].map(() => noteTook(width, 9 * USUAL_MS, USUAL_MS, 1));
  assert.deepEqual(findings, ['kept', 'kept', 'kept', 'narrowest', 'kept']);
});

test('some slow pieces say nothing of the own link', () => {
  assert.equal(take(createWidth(3), 9, 9, 1, 1, 9, 9, 1, 1).now, 3);
});

test('a link that is as quick as others again gets its width back one by one, and no more', () => {
  const width = take(createWidth(3), 9, 9, 9, 9);
  const widths = [1, 2, 3].map(() => take(width, 1, 1, 1, 1).now);
  assert.deepEqual(widths, [2, 3, 3]);
});

test('where nothing is known of others for long, the width is the usual one', () => {
  const width = take(createWidth(3), 9, 9, 9, 9);
  noteTook(width, 1, 0, 20_000);
  assert.equal(width.now, 1);
  noteTook(width, 1, 0, 40_000);
  assert.equal(width.now, 3);
});

test('whatever pieces take, the width is from one to the usual', () => {
  const took = fc.tuple(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.integer({ min: 0, max: 1000 }));
  fc.assert(
    fc.property(fc.array(took), (pieces) => {
      const width = createWidth(3);
      for (const [at, [tookMs, usualMs]] of pieces.entries()) {
        noteTook(width, tookMs, usualMs, at);
        assert.ok(width.now >= 1 && width.now <= 3 && Number.isInteger(width.now));
      }
    }),
  );
});
