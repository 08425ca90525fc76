import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasCode, type ParseOptions } from '../../core/index.ts';
import { defaultModelscopeEndpoint, formatModelscopeUrl, parseModelscopeUrl } from './modelscope-url.ts';

function parse(url: string, options: ParseOptions = {}) {
  return parseModelscopeUrl(url, options, defaultModelscopeEndpoint);
}

const HASH = '0123456789abcdef0123456789abcdef';

describe('modelscope URL', () => {
  const cases: Record<string, [string, string, string]> = {
    'modelscope://Qwen/Qwen3-0.6B': ['Qwen/Qwen3-0.6B', '', ''],
    'modelscope://models/Qwen/Qwen3/config.json': ['Qwen/Qwen3', '', 'config.json'],
    'modelscope://datasets/AI-ModelScope/alpaca@master/a%20b': [
      'datasets/AI-ModelScope/alpaca',
      'master',
      'a b',
    ],
    'modelscope://o/n@feature%2Fx': ['o/n', 'feature/x', ''],
    [`modelscope://o/n@master~${HASH}/f`]: ['o/n', `master~${HASH}`, 'f'],
    'modelscope://o/n/a@b': ['o/n', '', 'a@b'],
    'modelscope://模型/名': ['模型/名', '', ''],
  };
  for (const [url, expected] of Object.entries(cases)) {
    it(`reads ${url}`, () => {
      const ref = parse(url);
      assert.deepEqual([ref.repo, ref.revision, ref.path], expected);
      assert.deepEqual(parse(formatModelscopeUrl(ref)), ref);
    });
  }

  for (const url of [
    'modelscope://name',
    'modelscope://datasets/name',
    'modelscope://o/n@',
    'modelscope://o/n@master~short',
    'modelscope://o/n@~x',
    'modelscope://o/../x',
    'modelscope://o/n/../x',
    'modelscope://user:pw@o/n',
    'modelscope://models/datasets/x',
  ]) {
    it(`refuses ${url}`, () =>
      assert.throws(
        () => parse(url),
        (error) => hasCode(error, 'url_invalid'),
      ));
  }

  it('is read again from its formatted form', () => {
    const name = fc
      .stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/u)
      .filter((n) => n !== 'models' && n !== 'datasets');
    const revision = fc.constantFrom('', 'master', 'a/b', 'v1', `x/y~${HASH}`);
    fc.assert(
      fc.property(fc.boolean(), name, name, revision, (isDataset, owner, repo, rev) => {
        const ref = {
          ...parse('modelscope://o/n'),
          repo: `${isDataset ? 'datasets/' : ''}${owner}/${repo}`,
          revision: rev,
          path: 'ä/ü %',
        };
        assert.deepEqual(parse(formatModelscopeUrl(ref)), ref);
      }),
    );
  });
});
