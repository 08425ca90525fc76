import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  AnaxError,
  errorTable,
  fromErrorRecord,
  hasCode,
  Secret,
  seededRandom,
  toAnaxError,
  toErrorRecord,
} from './index.ts';

test('an error says its sentence and what it is about, without the secrets of URLs', () => {
  const error = new AnaxError('origin_unavailable', 'GET https://u:p@cdn.example/x?Signature=abc#f gave 500');
  assert.equal(
    error.message,
    `${errorTable.origin_unavailable.message}: GET https://cdn.example/x?… gave 500`,
  );
});

test('an error comes back from its record', () => {
  const error = new AnaxError('digest_mismatch', 'a.bin', { details: { file: 'a.bin' }, hint: 'look' });
  const back = fromErrorRecord(toErrorRecord(error));
  assert.deepEqual(toErrorRecord(back), toErrorRecord(error));
});

test('a record with a code that is not known becomes internal', () => {
  const record = { ...toErrorRecord(new AnaxError('timeout')), code: 'constructor' as 'timeout' };
  assert.equal(fromErrorRecord(record).code, 'internal');
});

test('system errors keep what they mean', () => {
  const full = Object.assign(new Error('write'), { code: 'ENOSPC' });
  assert.equal(toAnaxError(full).code, 'disk_full');
  assert.equal(toAnaxError(new DOMException('x', 'AbortError')).code, 'interrupted');
  assert.equal(toAnaxError('odd').code, 'internal');
  assert.equal(hasCode(toAnaxError(full), 'disk_full', 'disk_io'), true);
});

test('a secret does not show', () => {
  const secret = new Secret('hf_abc');
  const shown = [secret.toString(), JSON.stringify({ secret }), inspect({ secret }), String(secret)];
  assert.equal(shown.join(' ').includes('hf_abc'), false);
  assert.equal(secret.reveal(), 'hf_abc');
});

test('seeded chance repeats, and spreads', () => {
  const draw = (seed: number): number[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 1_000 }, random);
  };
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
  const mean = draw(3).reduce((sum, value) => sum + value, 0) / 1_000;
  assert.ok(mean > 0.45 && mean < 0.55);
});
