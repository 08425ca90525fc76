import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode } from '../core/index.ts';
import { redirectMethod, redirectTarget } from './redirect.ts';

const FROM = new URL('https://hub.example/a/b?x=1');

describe('redirect', () => {
  it('resolves relative and absolute places', () => {
    assert.equal(redirectTarget(FROM, '/c?y=2').href, 'https://hub.example/c?y=2');
    assert.equal(redirectTarget(FROM, 'https://cdn.example/f').href, 'https://cdn.example/f');
    assert.equal(redirectTarget(new URL('http://hub.example/'), 'https://hub.example/').protocol, 'https:');
  });

  it('takes no user and password from a place, which would be sent as credentials', () => {
    assert.equal(redirectTarget(FROM, 'https://user:pass@cdn.example/f#x').href, 'https://cdn.example/f');
  });

  it('refuses the step down to http, other schemes, and no place at all', () => {
    for (const location of [
      'http://hub.example/a',
      'ftp://hub.example/',
      'file:///etc/passwd',
      'http://[',
      undefined,
    ]) {
      assert.throws(
        () => redirectTarget(FROM, location),
        (error) => hasCode(error, 'origin_protocol'),
        location,
      );
    }
  });

  it('keeps a POST only where the status says so', () => {
    assert.deepEqual(
      [301, 302, 303, 307, 308].map((status) => redirectMethod('POST', status)),
      ['GET', 'GET', 'GET', 'POST', 'POST'],
    );
    assert.equal(redirectMethod('HEAD', 302), 'HEAD');
  });
});
