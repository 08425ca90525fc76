import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OriginRef, Secret } from '../core/index.ts';
import { credentialsFingerprint, refKeyOf } from './ref-key.ts';

const REF: OriginRef = {
  scheme: 'hf',
  endpoint: 'https://hub.example',
  repo: 'acme/model',
  revision: 'main',
  path: '',
};
const ALL = { include: [], exclude: [] };

test('the same ref with the same filters has the same key, in whatever order the filters are', () => {
  const one = refKeyOf(REF, { include: ['a', 'b'], exclude: ['c', 'd'] });
  assert.equal(one, refKeyOf({ ...REF }, { include: ['b', 'a'], exclude: ['d', 'c'] }));
});

test('a difference in any part makes another key', () => {
  const keys = [
    refKeyOf(REF, ALL),
    refKeyOf({ ...REF, scheme: 'modelscope' }, ALL),
    refKeyOf({ ...REF, endpoint: 'https://other.example' }, ALL),
    refKeyOf({ ...REF, repo: 'acme/model2' }, ALL),
    refKeyOf({ ...REF, revision: 'dev' }, ALL),
    refKeyOf({ ...REF, revision: '', path: 'main' }, ALL),
    refKeyOf({ ...REF, path: 'sub' }, ALL),
    refKeyOf(REF, { include: ['a'], exclude: [] }),
    refKeyOf(REF, { include: [], exclude: ['a'] }),
    refKeyOf(REF, { include: ['a', 'b'], exclude: [] }),
    refKeyOf(REF, { include: ['a,b'], exclude: [] }),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

test('a key tells nothing about the repository', () => {
  assert.match(refKeyOf(REF, ALL), /^[0-9a-f]{64}$/u);
});

test('callers with the same credentials have the same fingerprint, whatever the case and order of their headers', () => {
  const token = () => new Secret('hf_token');
  const one = { token: token(), headers: { 'X-A': new Secret('1'), 'X-B': new Secret('2') } };
  const two = { token: token(), headers: { 'X-B': new Secret('2'), 'X-A': new Secret('1') } };
  assert.equal(credentialsFingerprint(one), credentialsFingerprint(two));
  const lower = { headers: { 'x-a': new Secret('1') } };
  assert.equal(
    credentialsFingerprint(lower),
    credentialsFingerprint({ headers: { 'X-A': new Secret('1') } }),
  );
});

test('callers with other credentials have other fingerprints, which do not show them', () => {
  const prints = [
    {},
    { token: new Secret('a') },
    { token: new Secret('b') },
    { token: new Secret('a'), headers: { x: new Secret('1') } },
    { headers: { x: new Secret('1') } },
    { headers: { x: new Secret('2') } },
    { headers: { y: new Secret('1') } },
  ].map(credentialsFingerprint);
  assert.equal(new Set(prints).size, prints.length);
  for (const print of prints) assert.match(print, /^[0-9a-f]{64}$/u);
});
