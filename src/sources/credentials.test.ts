import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasCode, Secret } from '../core/index.ts';
import { fingerprint, privateHeaders, withoutSecrets } from './credentials.ts';

const token = new Secret('tok_1');

describe('credentials', () => {
  it("become a bearer header and the caller's own headers", () => {
    const headers = privateHeaders({ token, headers: { 'X-Key': new Secret('k') } }, { cookie: 'a=b' });
    assert.deepEqual(headers, { authorization: 'Bearer tok_1', cookie: 'a=b', 'x-key': 'k' });
    assert.deepEqual(privateHeaders({}), {});
  });

  it('refuse headers of the protocol, and values that could smuggle a header', () => {
    for (const name of ['Host', 'range', 'Content-Length', 'Transfer-Encoding', 'a b', '', 'x\r\ny']) {
      const credentials = { headers: { [name]: new Secret('v') } };
      assert.throws(
        () => privateHeaders(credentials),
        (error) => hasCode(error, 'usage_invalid'),
        name,
      );
    }
    const smuggled = { headers: { 'X-Key': new Secret('a\r\nHost: b') } };
    assert.throws(
      () => privateHeaders(smuggled),
      (error) => hasCode(error, 'usage_invalid') && !error.message.includes('Host'),
    );
  });

  it('refuse a token with a line break, without showing it', () => {
    const broken = { token: new Secret('tok_secret\n') };
    assert.throws(
      () => privateHeaders(broken),
      (error) => hasCode(error, 'auth_invalid') && !error.message.includes('tok_'),
    );
  });

  it('have a fingerprint that tells them apart and shows nothing', () => {
    const seen = [
      fingerprint({ token }),
      fingerprint({ token: new Secret('tok_2') }),
      fingerprint({ token, headers: { a: new Secret('b') } }),
      fingerprint({ headers: { a: new Secret('tok_1') } }),
    ];
    assert.equal(new Set(seen).size, 4);
    assert.equal(fingerprint({}), '');
    assert.equal(fingerprint({ token: new Secret('tok_1') }), seen[0]);
    assert.ok(seen.every((text) => /^[0-9a-f]{32}$/u.test(text)));
  });

  it('are taken out of a text that a hub sends back', () => {
    assert.equal(withoutSecrets('no tok_1 here', { token }), 'no [secret] here');
  });
});
