import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode, MAX_FILES } from '../core/index.ts';
import { checkListingSize, filesUnder } from './listed-file.ts';

describe('listed files', () => {
  it('are bounded in pages and entries', () => {
    checkListingSize(20_000, MAX_FILES);
    for (const [pages, entries] of [
      [20_001, 0],
      [0, MAX_FILES + 1],
    ] as const) {
      assert.throws(
        () => checkListingSize(pages, entries),
        (error) => hasCode(error, 'limit_exceeded'),
      );
    }
  });

  it('are under a path by whole segments', () => {
    const files = [{ path: 'a' }, { path: 'a/b' }, { path: 'ab' }];
    assert.deepEqual(filesUnder(files, 'a'), [{ path: 'a' }, { path: 'a/b' }]);
    assert.deepEqual(filesUnder([], ''), []);
    assert.throws(
      () => filesUnder(files, 'b'),
      (error) => hasCode(error, 'file_not_found'),
    );
  });
});
