import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPathFilter } from './index.ts';

const PATHS = [
  '.gitattributes',
  'README.md',
  'config.json',
  'model-00001.safetensors',
  'original/config.json',
  'original/sub/params.json',
  'onnx/model.onnx',
  'a[1]/x.txt',
];

function select(include: string[], exclude: string[] = []): string[] {
  return PATHS.filter(createPathFilter({ include, exclude }));
}

describe('the path filter', () => {
  it('takes everything where there is no pattern', () => {
    assert.deepEqual(select([]), PATHS);
  });

  it('matches the base name anywhere where the pattern has no slash', () => {
    assert.deepEqual(select(['config.json']), ['config.json', 'original/config.json']);
    assert.deepEqual(select(['*.json']), ['config.json', 'original/config.json', 'original/sub/params.json']);
    assert.deepEqual(select(['.git*']), ['.gitattributes']);
  });

  it('crosses folders with a star, as fnmatch does', () => {
    const below = ['original/config.json', 'original/sub/params.json'];
    assert.deepEqual(select(['original/*']), below);
    assert.deepEqual(select(['original/**']), below);
    assert.deepEqual(select(['original/']), below);
    assert.deepEqual(select(['./original/*.json']), below);
    assert.deepEqual(select(['orig*']), below);
    assert.deepEqual(select(['*']), PATHS);
  });

  it('keeps a pattern with a slash to its folder', () => {
    assert.deepEqual(select(['onnx/*.onnx']), ['onnx/model.onnx']);
    assert.deepEqual(select(['sub/params.json']), []);
    assert.deepEqual(select(['/config.json']), ['config.json', 'original/config.json']);
  });

  it('knows ? and classes and braces, and nothing else', () => {
    assert.deepEqual(select(['model-0000?.safetensors']), ['model-00001.safetensors']);
    assert.deepEqual(select(['[!a-z]*.md']), ['README.md']);
    assert.deepEqual(select(['*.{md,onnx}']), ['README.md', 'onnx/model.onnx']);
    assert.deepEqual(select(['!README.md']), []);
    assert.deepEqual(select(['a[[]1]/*']), ['a[1]/x.txt']);
  });

  it('lets exclude win over include', () => {
    assert.deepEqual(select(['*.json'], ['original/*']), ['config.json']);
    assert.deepEqual(select([], ['*.json', 'onnx/', '.*']), [
      'README.md',
      'model-00001.safetensors',
      'a[1]/x.txt',
    ]);
  });

  it('refuses what is no pattern, and too many', () => {
    const refused = { code: 'usage_invalid' };
    assert.throws(() => select(['']), refused);
    assert.throws(() => select(['/']), refused);
    assert.throws(() => select(Array.from({ length: 1001 }, () => 'x')), refused);
  });
});
