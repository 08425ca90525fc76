import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blobKey, digestOf, parseSnapshotId } from './index.ts';

const digest = digestOf('sha256', Buffer.from('content'));

test('a key is of one blob and one scope, and says neither', () => {
  const keys = [
    blobKey(digest, 'public'),
    blobKey(digest, { hub: 'hub.example' }),
    blobKey(digest, { hub: 'other.example' }),
    blobKey(digest, { hub: 'public' }),
    blobKey(digestOf('sha256', Buffer.from('other')), 'public'),
  ];
  assert.equal(new Set(keys).size, keys.length);
  for (const key of keys) assert.equal(parseSnapshotId(key), key);
  assert.equal(blobKey(digest, { hub: 'hub.example' }), keys[1]);
});
