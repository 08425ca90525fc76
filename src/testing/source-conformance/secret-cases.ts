// Tokens: shown to the origin that they are for, and to nobody else in any form.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { inspect } from 'node:util';
import { Secret } from '../../core/index.ts';
import type { SourceFixture } from './fixture.ts';
import { assertFails, errorOf, pin, read, withCredentials } from './helpers.ts';
import { LARGE_BYTES, LARGE_FILE, SMALL_FILE, sampleBytes } from './sample-files.ts';

const TOKEN = 'tok_4f9c2b7e51a84d3f';
const OTHER_TOKEN = 'tok_other_91d6aa03';
const HEADER_SECRET = 'hdr_c0ffee_551';

const credentials = { token: new Secret(TOKEN), headers: { 'X-Access-Key': new Secret(HEADER_SECRET) } };

export function secretCases(fixture: () => SourceFixture): void {
  it('lets the right token read what is private, and marks it as restricted', async (t) => {
    const { source, putPrivate } = fixture();
    if (putPrivate === undefined) return t.skip('nothing is private');
    const bytes = sampleBytes(LARGE_BYTES, 11);
    const { url, refused } = await putPrivate({ [LARGE_FILE]: bytes }, credentials.token);
    const context = withCredentials(credentials);
    const ref = await pin(fixture(), url, context);
    assert.equal(ref.restricted, true);
    await source.authorize(ref, context);
    const [file] = await source.list(ref, context);
    assert.ok(file);
    assert.ok((await read(fixture(), ref, file, undefined, context)).equals(bytes));

    const stranger = withCredentials({ token: new Secret(OTHER_TOKEN) });
    await assertFails(source.authorize(ref, stranger), ...refused);
    await assertFails(pin(fixture(), url, stranger), ...refused);
  });

  it('shows credentials to no other host', async (t) => {
    const { source, requests } = fixture();
    if (requests === undefined) return t.skip('no host');
    const files = fixture().holdsOneFile
      ? [{ [LARGE_FILE]: sampleBytes(LARGE_BYTES, 12) }, { [SMALL_FILE]: sampleBytes(20, 12) }]
      : [{ [LARGE_FILE]: sampleBytes(LARGE_BYTES, 12), [SMALL_FILE]: sampleBytes(20, 12) }];
    for (const group of files) {
      const context = withCredentials(credentials);
      const ref = await pin(fixture(), await fixture().put(group), context);
      for (const file of await source.list(ref, context))
        await read(fixture(), ref, file, undefined, context);
    }
    const all = requests();
    assert.ok(
      all.some(({ atHome, text }) => atHome && text.includes(TOKEN)),
      'the origin saw the token',
    );
    for (const { atHome, text } of all) assert.ok(atHome || !/tok_|hdr_/u.test(text), text);
  });

  it('has no credentials in errors, whatever fails', async () => {
    const { repo } = await fixture().absent();
    const context = withCredentials(credentials);
    const error = await errorOf(pin(fixture(), repo.url, context));
    for (const text of [
      String(error),
      error.stack ?? '',
      inspect(error, { depth: 10 }),
      JSON.stringify(error),
    ]) {
      assert.ok(!text.includes(TOKEN) && !text.includes(HEADER_SECRET), text);
    }
  });
}
