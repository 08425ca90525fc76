import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasCode, type OriginRef } from '../../core/index.ts';
import { pathSegments } from '../../testing/source-conformance/index.ts';
import { formatHfUrl, oneNameHint, parseHfUrl } from './hf-url.ts';

function parts(url: string, revision?: string): [string, string, string] {
  const ref = parseHfUrl(url, revision === undefined ? {} : { revision });
  return [ref.repo, ref.revision, ref.path];
}

describe('hf URL', () => {
  const cases: Record<string, [string, string, string]> = {
    'hf://gpt2': ['gpt2', '', ''],
    'hf://gpt2@main/config.json': ['gpt2', 'main', 'config.json'],
    'hf://gpt2/config.json': ['gpt2/config.json', '', ''],
    'hf://owner/name': ['owner/name', '', ''],
    'hf://owner/name/': ['owner/name', '', ''],
    'hf://models/owner/name/a/b': ['owner/name', '', 'a/b'],
    'hf://datasets/squad': ['datasets/squad', '', ''],
    'hf://datasets/owner/name@v1.0/data/x.parquet': ['datasets/owner/name', 'v1.0', 'data/x.parquet'],
    'hf://spaces/owner/name': ['spaces/owner/name', '', ''],
    'hf://kernels/owner/name@main': ['kernels/owner/name', 'main', ''],
    'hf://owner/name@refs/pr/1': ['owner/name', 'refs/pr/1', ''],
    'hf://owner/name@refs/pr/1/dir/f': ['owner/name', 'refs/pr/1', 'dir/f'],
    'hf://owner/name@refs%2Fpr%2F1/dir/f': ['owner/name', 'refs/pr/1', 'dir/f'],
    'hf://datasets/squad@refs/convert/parquet/x': ['datasets/squad', 'refs/convert/parquet', 'x'],
    'hf://owner/name@feature%2Fx/f': ['owner/name', 'feature/x', 'f'],
    'hf://owner/name/a@b.txt': ['owner/name', '', 'a@b.txt'],
    'hf://owner/name/a%20b%23%25.txt': ['owner/name', '', 'a b#%.txt'],
    'hf://owner/name/what?#.txt': ['owner/name', '', 'what?#.txt'],
    'HF://owner/name': ['owner/name', '', ''],
  };
  for (const [url, expected] of Object.entries(cases)) {
    it(`reads ${url}`, () => assert.deepEqual(parts(url), expected));
  }

  const wrong = [
    'hf://',
    'hf:owner/name',
    'hf://owner/na--me',
    'hf://owner/na..me',
    'hf://owner/name.git',
    'hf://-owner/name',
    `hf://owner/${'x'.repeat(97)}`,
    'hf://owner/name@',
    'hf://gpt2@/config.json',
    'hf://owner/name@a..b',
    'hf://owner/name@a b',
    'hf://owner/name@~1',
    'hf://owner/name/../x',
    'hf://owner/name/a//b',
    'hf://owner/name/a%2Fb',
    'hf://owner/name/100%.txt',
    'hf://owner/name/a\\b',
    'hf://buckets/owner/name',
    'hf://models/datasets/name',
    'hf://user:secret@owner/name',
  ];
  for (const url of wrong) {
    it(`refuses ${url}`, () => {
      assert.throws(
        () => parseHfUrl(url, {}),
        (error) => hasCode(error, 'url_invalid') && !error.message.includes('secret'),
      );
    });
  }

  it('takes a revision from the options, unless the URL names another', () => {
    assert.deepEqual(parts('hf://owner/name', 'v1'), ['owner/name', 'v1', '']);
    assert.deepEqual(parts('hf://owner/name@v1', 'v1'), ['owner/name', 'v1', '']);
    assert.throws(
      () => parts('hf://owner/name@v2', 'v1'),
      (error) => hasCode(error, 'url_invalid'),
    );
  });

  it('takes an endpoint without its slash, and none with a password', () => {
    assert.equal(parseHfUrl('hf://gpt2', {}).endpoint, 'https://huggingface.co');
    assert.equal(
      parseHfUrl('hf://gpt2', { endpoint: 'http://mirror:8080/hf/' }).endpoint,
      'http://mirror:8080/hf',
    );
    for (const endpoint of ['https://user:secret@mirror', 'mirror', 'ftp://mirror', 'https://mirror?x=1']) {
      assert.throws(
        () => parseHfUrl('hf://gpt2', { endpoint }),
        (error) => hasCode(error, 'url_invalid') && !error.message.includes('secret'),
        endpoint,
      );
    }
  });

  it('spells the default out for a file of a one-name repository', () => {
    const ref: OriginRef = { ...parseHfUrl('hf://gpt2', {}), path: 'config.json' };
    assert.equal(formatHfUrl(ref), 'hf://gpt2@main/config.json');
    assert.match(
      oneNameHint(parseHfUrl('hf://gpt2/config.json', {})) ?? '',
      /hf:\/\/gpt2@main\/config\.json/u,
    );
    for (const url of ['hf://gpt2', 'hf://acme/model', 'hf://Qwen/Qwen2.5-0.5B']) {
      assert.equal(oneNameHint(parseHfUrl(url, {})), undefined);
    }
  });

  it('is read again from its formatted form', () => {
    const name = fc
      .stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_]{0,20}$/u)
      .filter((n) => !/^(models|datasets|spaces|kernels|buckets)$/u.test(n));
    const id = fc.oneof(
      name,
      fc.tuple(name, name).map((pair) => pair.join('/')),
    );
    const revision = fc.constantFrom(
      'main',
      'refs/pr/12',
      'refs/convert/parquet',
      'a/b',
      'v1.0+x',
      'ü@1',
      'refs/pr/1x',
    );
    const path = fc.array(pathSegments, { maxLength: 4 }).map((segments) => segments.join('/'));
    const kind = fc.constantFrom('', 'datasets/', 'spaces/', 'kernels/');
    fc.assert(
      fc.property(kind, id, revision, path, (prefix, repoId, rev, repoPath) => {
        const ref = { ...parseHfUrl('hf://gpt2', {}), repo: prefix + repoId, revision: rev, path: repoPath };
        assert.deepEqual(parseHfUrl(formatHfUrl(ref), {}), ref);
      }),
    );
  });
});
