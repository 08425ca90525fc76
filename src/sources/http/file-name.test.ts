import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseRepoPath } from '../../core/index.ts';
import { fileNameOf } from './file-name.ts';

describe('http file name', () => {
  const cases: [string, string | undefined, string][] = [
    ['http://h/a/model.bin', undefined, 'model.bin'],
    ['http://h/a/model.bin?x=1', 'attachment; filename="other"', 'model.bin'],
    ['http://h/a%20b%2Fc', undefined, 'a b_c'],
    ['http://h/a%00%5C', undefined, 'a__'],
    ['http://h/100%', undefined, '100%'],
    ['http://h/', undefined, 'index'],
    ['http://h/', 'attachment; filename="named.txt"', 'named.txt'],
    ['http://h/', "attachment; filename=plain; filename*=UTF-8''gr%C3%B6%C3%9Fe", 'größe'],
    ['http://h/', 'attachment; filename="../../etc/passwd"', '.._.._etc_passwd'],
    ['http://h/', 'attachment; filename=".."', 'index'],
  ];
  for (const [url, disposition, expected] of cases) {
    it(`is ${expected} for ${url} and ${disposition ?? 'no suggestion'}`, () => {
      assert.equal(fileNameOf(new URL(url), disposition), expected);
    });
  }

  it('is always a safe path of one segment', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (segment, suggestion) => {
        const url = new URL(`http://h/${encodeURIComponent(segment.toWellFormed())}`);
        const name = fileNameOf(url, `attachment; filename="${suggestion}"`);
        assert.equal(parseRepoPath(name), name);
        assert.ok(!name.includes('/'));
      }),
    );
  });
});
