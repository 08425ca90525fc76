import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, hasCode, originDigest, parseDigest } from './index.ts';

test('digests of known content are those that sha256sum and git give', () => {
  assert.equal(
    digestOf('sha256', Buffer.from('hello\n')),
    'sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
  );
  assert.equal(
    digestOf('git-sha1', Buffer.from('hello\n')),
    'git-sha1:ce013625030ba8dba906f756967f9e9ca394464a',
  );
  assert.equal(digestOf('git-sha1', Buffer.alloc(0)), 'git-sha1:e69de29bb2d1d6434b8b29ae775ad8c2e48c5391');
});

test('a digest is read in any case and kept in lower case', () => {
  const hex = 'AB'.repeat(32);
  assert.equal(parseDigest(`SHA256:${hex}`), `sha256:${hex.toLowerCase()}`);
});

test('what is no digest is a usage error', () => {
  for (const text of ['', 'sha256:', 'sha256:00', 'md5:00', `git-sha1:${'0'.repeat(64)}`, '../../etc']) {
    assert.throws(
      () => parseDigest(text),
      (error) => hasCode(error, 'usage_invalid'),
    );
  }
});

test('the stand-in digest tells address, version and size apart', () => {
  const base = originDigest('http://a/x', '"1"', 10);
  for (const other of [
    originDigest('http://a/y', '"1"', 10),
    originDigest('http://a/x', '"2"', 10),
    originDigest('http://a/x', '"1"', 11),
  ]) {
    assert.notEqual(base, other);
  }
});
