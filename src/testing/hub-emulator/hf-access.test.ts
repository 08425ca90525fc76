import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type HuggingFaceHub, startHuggingFaceHub } from './hf-hub.ts';
import { type Answer, call } from './test-client.ts';

let hub: HuggingFaceHub;
const FILE = { main: { 'a.txt': 'x' } };

before(async () => {
  hub = await startHuggingFaceHub();
  hub.putRepo({ id: 'acme/open', revisions: FILE });
  hub.putRepo({ id: 'acme/private', private: true, renamedFrom: ['acme/secret'], revisions: FILE });
  hub.putRepo({ id: 'acme/gated', gated: 'manual', revisions: FILE });
  hub.putRepo({ id: 'acme/off', disabled: true, revisions: FILE });
  hub.addToken('hf_ok', { user: 'ok', canRead: ['acme/private'], grants: ['acme/gated'] });
  hub.addToken('hf_other', { user: 'other' });
});
after(() => hub.close());

function get(path: string, token?: string): Promise<Answer> {
  return call(hub.url + path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
}

const INFO = (id: string): string => `/api/models/${id}`;
const FILE_OF = (id: string): string => `/${id}/resolve/main/a.txt`;

/** Path, token, status, X-Error-Code. */
const MATRIX: readonly [string, string, string | undefined, number, string | undefined][] = [
  ['(20) an absent repository, anonymously', INFO('no/such'), undefined, 401, undefined],
  ['(20) a file of an absent repository, anonymously', FILE_OF('no/such'), undefined, 401, undefined],
  ['(20) an absent repository, with a token', INFO('no/such'), 'hf_ok', 404, 'RepoNotFound'],
  ['(20) an absent revision', '/acme/open/resolve/nope/a.txt', undefined, 404, 'RevisionNotFound'],
  ['(21) an absent file', '/acme/open/resolve/main/nope', undefined, 404, 'EntryNotFound'],
  ['(22) metadata of a gated repository, anonymously', INFO('acme/gated'), undefined, 200, undefined],
  ['(22) the tree of a gated repository', `${INFO('acme/gated')}/tree/main`, 'hf_other', 200, undefined],
  ['(22) a gated file, anonymously', FILE_OF('acme/gated'), undefined, 401, 'GatedRepo'],
  ['(22) a gated file, with a bad token', FILE_OF('acme/gated'), 'hf_bad', 401, 'GatedRepo'],
  ['(22) a gated file, without a grant', FILE_OF('acme/gated'), 'hf_other', 403, 'GatedRepo'],
  ['(22) a gated file, with a grant', FILE_OF('acme/gated'), 'hf_ok', 307, undefined],
  ['(22) auth-check without a grant', `${INFO('acme/gated')}/auth-check`, 'hf_other', 403, 'GatedRepo'],
  ['(23) a private repository, anonymously', INFO('acme/private'), undefined, 401, undefined],
  ['(23) a private repository, with another token', INFO('acme/private'), 'hf_other', 404, 'RepoNotFound'],
  ['(23) a private repository, with its token', FILE_OF('acme/private'), 'hf_ok', 307, undefined],
  [
    '(23) a private repository in wrong case leaks no redirect',
    INFO('ACME/private'),
    undefined,
    401,
    undefined,
  ],
  ['(23) a disabled repository', FILE_OF('acme/off'), undefined, 403, undefined],
  ['(23) a bad token', FILE_OF('acme/open'), 'hf_bad', 401, undefined],
];

for (const [name, path, token, status, code] of MATRIX) {
  test(`${name}: ${status} ${code ?? 'without code'}`, async () => {
    const answer = await get(path, token);
    assert.equal(answer.status, status);
    assert.equal(answer.headers['x-error-code'], code);
    if (status === 401)
      assert.equal(answer.headers['x-error-message'], (answer.json() as { error: string }).error);
  });
}

test('(20) the texts that clients recognise are exact', async () => {
  const message = async (path: string, token?: string): Promise<unknown> =>
    (await get(path, token)).headers['x-error-message'];
  assert.equal(await message(INFO('no/such')), 'Invalid username or password.');
  assert.equal(await message(INFO('no/such'), 'hf_ok'), 'Repository not found');
  assert.equal(await message(FILE_OF('acme/off')), 'Access to this resource is disabled.');
  assert.equal(await message(FILE_OF('acme/open'), 'hf_bad'), 'Invalid credentials in Authorization header');
  assert.equal((await get(INFO('no/such'))).headers['www-authenticate'], 'Bearer');
});

test('(21) EntryNotFound carries the commit, RepoNotFound does not', async () => {
  assert.equal((await get('/acme/open/resolve/main/nope')).headers['x-repo-commit'], hub.sha('acme/open'));
  assert.equal((await get(FILE_OF('no/such'), 'hf_ok')).headers['x-repo-commit'], undefined);
});

test('(22) a grant can be given and revoked, and the resolve cache asks for it too', async () => {
  hub.grant('hf_other', 'acme/gated');
  const granted = await get(FILE_OF('acme/gated'), 'hf_other');
  assert.equal(granted.status, 307);
  const cached = String(granted.headers.location);
  assert.equal((await get(cached, 'hf_other')).status, 200);
  hub.revoke('hf_other', 'acme/gated');
  assert.equal((await get(FILE_OF('acme/gated'), 'hf_other')).status, 403);
  assert.equal((await get(cached, 'hf_other')).status, 403);
});
