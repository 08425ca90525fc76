import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, Secret } from '../core/index.ts';
import { createSealingKey, openCredentials, sealCredentials } from './sealed.ts';

const CREDENTIALS = { token: new Secret('hf_token'), headers: { 'X-Key': new Secret('value') } };

test('sealed credentials are opened by the key that they were sealed to', () => {
  const key = createSealingKey();
  const opened = openCredentials(sealCredentials(CREDENTIALS, key.publicKey), key);
  assert.equal(opened.token?.reveal(), 'hf_token');
  assert.equal(opened.headers?.['X-Key']?.reveal(), 'value');
});

test('nothing is sealed, too', () => {
  const key = createSealingKey();
  assert.deepEqual(openCredentials(sealCredentials({}, key.publicKey), key), {});
});

test('what is sealed shows nothing, and is another text each time', () => {
  const key = createSealingKey();
  const one = sealCredentials(CREDENTIALS, key.publicKey);
  const two = sealCredentials(CREDENTIALS, key.publicKey);
  assert.notEqual(one, two);
  for (const sealed of [one, two]) assert.ok(!Buffer.from(sealed, 'base64').includes('hf_token'));
});

test('another key does not open it', () => {
  const sealed = sealCredentials(CREDENTIALS, createSealingKey().publicKey);
  assert.throws(
    () => openCredentials(sealed, createSealingKey()),
    (error) => hasCode(error, 'peer_protocol'),
  );
});

test('with any byte changed, or the end missing, it does not open', () => {
  const key = createSealingKey();
  const sealed = Buffer.from(sealCredentials({ token: new Secret('t') }, key.publicKey), 'base64');
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    for (const bytes of [changed, sealed.subarray(0, at)]) {
      assert.throws(
        () => openCredentials(bytes.toString('base64'), key),
        (error) => hasCode(error, 'peer_protocol') && !error.message.includes('t"'),
      );
    }
  }
});
