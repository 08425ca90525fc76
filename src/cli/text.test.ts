import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatClock, formatSpan, formatTable, plural, shownUrl, textWidth, truncateMiddle } from './text.ts';

describe('text for people', () => {
  it('writes times', () => {
    assert.equal(formatClock(9_400), '0:09');
    assert.equal(formatClock(3_725_000), '1:02:05');
    assert.equal(formatSpan(420), '0.4 s');
    assert.equal(formatSpan(17_400), '17 s');
    assert.equal(formatSpan(59_800), '1 min 0 s');
    assert.equal(formatSpan(200_000), '3 min 20 s');
    assert.equal(formatSpan(7_500_000), '2 h 5 min');
    assert.equal(formatSpan(273_600_000), '3 d 4 h');
    assert.equal(plural(1, 'file'), '1 file');
    assert.equal(plural(0, 'file'), '0 files');
  });

  it('leaves the validator out of web addresses, and other URLs as they are', () => {
    assert.equal(shownUrl('https://h.example/f#@etag%3Aabc'), 'https://h.example/f');
    assert.equal(shownUrl('hf://o/n@c/a#b'), 'hf://o/n@c/a#b');
  });

  it('counts columns as a terminal does', () => {
    assert.equal(textWidth('model'), 5);
    assert.equal(textWidth('模型'), 4);
    assert.equal(textWidth('e\u0301'), 1);
  });

  it('keeps the tail of what is too long', () => {
    assert.equal(truncateMiddle('short', 10), 'short');
    assert.equal(truncateMiddle('model-00001-of-00014.safetensors', 16), 'model…afetensors');
    const wide = truncateMiddle('模型权重文件模型权重文件', 11);
    assert.ok(textWidth(wide) <= 11, wide);
  });

  it('lines up tables', () => {
    const columns = [{ title: 'SIZE', align: 'right' as const }, { title: 'NAME' }, { title: 'URL' }];
    const rows = [
      ['1 B', '模型', 'u'],
      ['100 MiB', 'x', 'longer'],
    ];
    assert.deepEqual(formatTable(columns, rows), [
      '   SIZE  NAME  URL',
      '    1 B  模型  u',
      '100 MiB  x     longer',
    ]);
  });
});
