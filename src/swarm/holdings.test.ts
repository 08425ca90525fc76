import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Holdings } from './holdings.ts';

const PIECES = 70;

test('rows hold what was added and not taken out, and a row that is used again begins empty', () => {
  const change = fc.record({
    row: fc.nat({ max: 39 }),
    piece: fc.nat({ max: 3 * PIECES }),
    what: fc.constantFrom('add', 'delete', 'renew'),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
      const holdings = new Holdings(PIECES);
      // More than the first rows, so that the table grows.
      const rows = Array.from({ length: 40 }, (_, at) => holdings.addRow([at]));
      const expected = rows.map((_, at) => new Set([at]));
      for (const { row: at, piece, what } of changes) {
        const row = rows[at] ?? 0;
        const set = expected[at] as Set<number>;
        if (what === 'add') {
          assert.equal(holdings.add(row, piece), piece < PIECES && !set.has(piece));
          if (piece < PIECES) set.add(piece);
        } else if (what === 'delete') assert.equal(holdings.delete(row, piece), set.delete(piece));
        else {
          holdings.removeRow(row);
          rows[at] = holdings.addRow([piece % PIECES]);
          expected[at] = new Set([piece % PIECES]);
        }
      }
      assert.equal(new Set(rows).size, rows.length);
      for (const [at, row] of rows.entries()) {
        const pieces = [...(expected[at] ?? [])].sort((left, right) => left - right);
        assert.deepEqual([...holdings.values(row)], pieces);
        assert.equal(holdings.count(row), pieces.length);
        assert.equal(holdings.isFull(row), pieces.length === PIECES);
      }
    }),
  );
});
