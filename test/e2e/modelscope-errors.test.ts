// What a ModelScope hub can say no to, and what its gateway and its CDN do differently from one day to the next.

import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import {
  generatedContent,
  type ModelScopeHub,
  startModelScopeHub,
} from '../../src/testing/hub-emulator/index.ts';
import {
  assertArrived,
  assertFailed,
  assertFailedClean,
  type Errand,
  errand,
  filesIn,
  SECRET,
} from './errand.ts';
import { MiB } from './support.ts';

const MEMBER = `ms-member${SECRET}`;
const STRANGER = `ms-stranger${SECRET}`;

let hub: ModelScopeHub;

before(async () => {
  hub = await startModelScopeHub();
  hub.addToken(MEMBER, { canRead: ['acme/private'] });
  hub.addToken(STRANGER);
});

after(() => hub.close());

function publish(name: string): string {
  const large = generatedContent({ seed: name, sizeBytes: 3 * MiB });
  const small = { content: generatedContent({ seed: `${name}/small`, sizeBytes: 2 * MiB }), lfs: false };
  hub.putRepo({
    id: `acme/${name}`,
    private: name === 'private',
    revisions: { master: { 'config.json': '{}', 'large.bin': large, 'small.bin': small } },
  });
  return `modelscope://acme/${name}`;
}

function person(context: TestContext, token?: string): Promise<Errand> {
  return errand(context, { MODELSCOPE_ENDPOINT: hub.url, ...(token && { MODELSCOPE_API_TOKEN: token }) });
}

describe('a ModelScope repository', () => {
  const PRIVATE = [
    [404, undefined, 'repo_not_found'],
    [401, undefined, 'auth_required'],
    [403, undefined, 'auth_required'],
    [404, STRANGER, 'repo_not_found'],
    [401, STRANGER, 'auth_invalid'],
    [403, STRANGER, 'access_denied'],
  ] as const;
  for (const [status, token, code] of PRIVATE) {
    const who = token ? 'with a token of someone else' : 'anonymous';
    test(`that is private, ${who}, and answers ${status} ends in ${code}`, async (context) => {
      const url = publish('private');
      hub.quirks.privateStatus = status;
      const she = await person(context, token);
      const error = await assertFailedClean(she, await she.get(url), code);
      assert.match(error.message, /acme\/private/u);
    });
  }

  test('that is private arrives for who may read it, by every way its content comes', async (context) => {
    const url = publish('private');
    const she = await person(context, MEMBER);
    await assertArrived(she, await she.get(url));
    assert.equal(hub.stats().credentialLeaks, 0);
  });

  const ABSENT = [
    ['that does not exist', 'modelscope://acme/absent', 'repo_not_found'],
    ['without the revision', 'modelscope://acme/there@v9', 'revision_not_found'],
    ['without the file', 'modelscope://acme/there/absent.bin', 'file_not_found'],
  ] as const;
  for (const [what, url, code] of ABSENT) {
    test(`${what} ends in ${code}`, async (context) => {
      publish('there');
      const she = await person(context);
      await assertFailedClean(she, await she.get(url), code);
    });
  }
});

describe('a ModelScope hub', () => {
  test('that answers 200 with an error in an envelope is understood', async (context) => {
    const url = publish('envelope');
    const she = await person(context);
    const body = '{"Code":10010205001,"Success":false,"Message":"record not found","Data":null}';
    const lie = hub.faults.add({
      kind: 'status',
      status: 200,
      headers: { 'content-type': 'application/json' },
      body,
      match: { path: /acme\/envelope/u },
    });
    context.after(() => lie.remove());
    await assertFailedClean(she, await she.get(url), 'repo_not_found');
  });

  test('that answers a file with 200 and an error in an envelope gives no such file', async (context) => {
    const url = publish('vanished');
    const she = await person(context);
    const body = '{"Code":10010204003,"Success":false,"Message":"file not found","Data":null}';
    const lie = hub.faults.add({
      kind: 'status',
      status: 200,
      headers: { 'content-type': 'application/json' },
      body,
      match: { path: /small\.bin/u },
    });
    context.after(() => lie.remove());
    const result = await she.get(url);
    assertFailed(result, 'file_not_found');
    assert.deepEqual(await filesIn(she.out), ['config.json', 'large.bin']);
  });

  test('whose gateway ignores Range still resumes a file that was cut', async (context) => {
    const url = publish('rangeless');
    const she = await person(context);
    const cut = hub.faults.add({
      kind: 'cut',
      afterBytes: 1.5 * MiB,
      times: 1,
      match: { path: /FilePath=small\.bin/u },
    });
    context.after(() => cut.remove());
    await assertArrived(she, await she.get(url));
    assert.equal(cut.hits, 1);
  });

  for (const status of [302, 307] as const) {
    test(`that redirects to its CDN with ${status} is followed, without the token`, async (context) => {
      hub.quirks.lfsRedirect = status;
      const url = publish(`redirect-${status}`);
      const she = await person(context, STRANGER);
      await assertArrived(she, await she.get(url));
      assert.equal(hub.stats().credentialLeaks, 0);
    });
  }

  test('that lists wrong digests is not believed', async (context) => {
    const url = publish('liar');
    hub.quirks.sha256 = 'wrong';
    context.after(() => {
      hub.quirks.sha256 = 'present';
    });
    const she = await person(context);
    await assertFailedClean(she, await she.get(url), 'digest_mismatch');
  });

  test('that lists wrong sizes is not believed', async (context) => {
    const url = publish('sizes');
    hub.quirks.sizeError = 1;
    context.after(() => {
      hub.quirks.sizeError = 0;
    });
    const she = await person(context);
    await assertFailedClean(she, await she.get(url), 'origin_changed');
  });

  test('that can not be reached ends in network_unreachable', async (context) => {
    const she = await errand(context, { MODELSCOPE_ENDPOINT: 'http://127.0.0.1:9' });
    await assertFailedClean(she, await she.get('modelscope://acme/open'), 'network_unreachable');
  });
});
