import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../core/index.ts';
import { formatHttpUrl, parseHttpUrl } from './http-url.ts';

describe('http URL', () => {
  it('keeps the query for reading, and never shows it', () => {
    const ref = parseHttpUrl('https://bucket.example:8443/a%20b/f.bin?X-Amz-Signature=s3cret', {});
    assert.equal(ref.repo, '/a%20b/f.bin?X-Amz-Signature=s3cret');
    assert.equal(ref.endpoint, 'https://bucket.example:8443');
    assert.equal(formatHttpUrl(ref), 'https://bucket.example:8443/a%20b/f.bin');
  });

  it('drops fragments, but for one that pins', () => {
    assert.equal(parseHttpUrl('http://h/f#section', {}).revision, '');
    assert.equal(parseHttpUrl('http://h/f#@etag:%22a%22', {}).revision, 'etag:"a"');
    assert.equal(parseHttpUrl('http://h/f', { revision: 'etag:"a"' }).revision, 'etag:"a"');
  });

  for (const url of [
    'http://',
    'https://user:s3cret@h/f',
    'https://s3cret@h/f',
    'http://h/f#@main',
    'http://h/f#@etag:%zz',
    'http://h:99999/f',
  ]) {
    it(`refuses ${url}`, () => {
      assert.throws(
        () => parseHttpUrl(url, {}),
        (error) => hasCode(error, 'url_invalid') && !`${error.message}${error.hint}`.includes('s3cret'),
      );
    });
  }

  it('refuses an endpoint that is another server', () => {
    assert.equal(parseHttpUrl('http://h/f', { endpoint: 'http://h/' }).endpoint, 'http://h');
    assert.throws(
      () => parseHttpUrl('http://h/f', { endpoint: 'http://g' }),
      (error) => hasCode(error, 'url_invalid'),
    );
  });

  it('is read again from its formatted form', () => {
    const revision = fc.constantFrom(
      '',
      'etag:"a%b#"',
      'modified:Thu, 01 Oct 2026 12:00:00 GMT',
      'unversioned:1790000000000',
    );
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: false }), revision, (url, rev) => {
        const ref = { ...parseHttpUrl(url, {}), revision: rev };
        assert.deepEqual(parseHttpUrl(formatHttpUrl(ref), {}), ref);
      }),
    );
  });
});
