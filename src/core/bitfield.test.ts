import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield } from './index.ts';

test('a bitfield behaves as a set', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(99)));
  fc.assert(
    fc.property(steps, (changes) => {
      const field = new Bitfield(100);
      const model = new Set<number>();
      for (const [add, value] of changes) {
        assert.equal(
          add ? field.add(value) : field.delete(value),
          add ? !model.has(value) : model.has(value),
        );
        if (add) model.add(value);
        else model.delete(value);
      }
      assert.equal(field.count, model.size);
      assert.deepEqual(
        [...field.values()],
        [...model].sort((a, b) => a - b),
      );
      assert.equal([...field.missing()].length, 100 - model.size);
    }),
  );
});

test('the wire form comes back as it was, and other lengths are refused', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(76)), (values) => {
      const field = new Bitfield(77);
      for (const value of values) field.add(value);
      const back = Bitfield.fromBytes(77, field.toBytes());
      assert.deepEqual([...(back?.values() ?? [])], [...field.values()]);
      assert.equal(back?.count, values.length);
      assert.equal(Bitfield.fromBytes(90, field.toBytes()), undefined);
    }),
  );
});

test('a bit past the end is refused', () => {
  assert.equal(Bitfield.fromBytes(7, Uint8Array.of(0x01)), undefined);
  assert.equal(Bitfield.fromBytes(8, Uint8Array.of(0x01))?.count, 1);
});

test('it tells whether another has something it lacks', () => {
  const few = new Bitfield(20);
  const many = Bitfield.full(20);
  assert.equal(few.lacksSomeOf(many), true);
  assert.equal(many.lacksSomeOf(few), false);
  assert.equal(many.lacksSomeOf(Bitfield.full(20)), false);
});
