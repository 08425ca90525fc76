import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Gate, KeyedLock } from './gate.ts';

test('nobody is inside together with an exclusive one, and everybody gets in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ exclusive: fc.boolean(), turns: fc.nat(3) })), async (visits) => {
      const gate = new Gate();
      const inside = new Set<boolean>();
      let count = 0;
      let served = 0;
      const work = async (exclusive: boolean, turns: number): Promise<void> => {
        count += 1;
        assert.ok(!inside.has(true) && (!exclusive || count === 1));
        if (exclusive) inside.add(true);
        for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
        if (exclusive) inside.delete(true);
        count -= 1;
        served += 1;
      };
      await Promise.all(
        visits.map(({ exclusive, turns }) =>
          exclusive ? gate.exclusive(() => work(true, turns)) : gate.shared(() => work(false, turns)),
        ),
      );
      assert.equal(served, visits.length);
    }),
  );
});

test('the gate opens again after a failure', async () => {
  const gate = new Gate();
  await assert.rejects(
    gate.exclusive(() => Promise.reject(new Error('no'))),
    /no/u,
  );
  assert.equal(await gate.shared(async () => 1), 1);
});

test('a keyed lock lets keys pass each other, but not two of one key', async () => {
  const lock = new KeyedLock<string>();
  const log: string[] = [];
  const first = Promise.withResolvers<void>();
  const a = lock.run('a', async () => {
    await first.promise;
    log.push('a1');
    throw new Error('a failure holds nobody up');
  });
  const a2 = lock.run('a', async () => void log.push('a2'));
  await lock.run('b', async () => void log.push('b'));
  first.resolve();
  await assert.rejects(a);
  await a2;
  assert.deepEqual(log, ['b', 'a1', 'a2']);
});
