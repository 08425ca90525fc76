// What a Hugging Face hub can say no to, and how a person learns of it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type HuggingFaceHub, startHuggingFaceHub } from '../../src/testing/hub-emulator/index.ts';
import { assertArrived, assertFailedClean, type Errand, errand, SECRET } from './errand.ts';

const MEMBER = `hf_member${SECRET}`;
const STRANGER = `hf_stranger${SECRET}`;
const UNKNOWN = `hf_unknown${SECRET}`;
const LARGE = new Uint8Array(3 * 1024 * 1024).fill(7);

let hub: HuggingFaceHub;

before(async () => {
  hub = await startHuggingFaceHub();
  const revisions = { main: { 'config.json': '{}', 'weights.bin': LARGE } };
  for (const id of ['acme/open', 'acme/limited', 'acme/shaky', 'acme/dead', 'acme/cdn']) {
    hub.putRepo({ id, revisions });
  }
  hub.putRepo({ id: 'acme/gated', gated: 'manual', revisions });
  hub.putRepo({ id: 'acme/private', private: true, revisions });
  hub.putRepo({ id: 'acme/disabled', disabled: true, revisions });
  hub.addToken(MEMBER, { canRead: ['acme/private'], grants: ['acme/gated'] });
  hub.addToken(STRANGER);
});

after(() => hub.close());

const atHub = (): Record<string, string> => ({ HF_ENDPOINT: hub.url });

/** Each with who asks, by token; the anonymous have none. */
const REFUSALS = [
  ['gated, anonymous', 'hf://acme/gated', undefined, 'access_gated'],
  ['gated, with a token that has no grant', 'hf://acme/gated', STRANGER, 'access_gated'],
  ['private, anonymous', 'hf://acme/private', undefined, 'auth_required'],
  ['private, with a token of someone else', 'hf://acme/private', STRANGER, 'repo_not_found'],
  ['public, with a token that the hub does not know', 'hf://acme/open', UNKNOWN, 'auth_invalid'],
  ['private, with a token that the hub does not know', 'hf://acme/private', UNKNOWN, 'auth_invalid'],
  ['absent, anonymous', 'hf://acme/absent', undefined, 'auth_required'],
  ['absent, with a token', 'hf://acme/absent', STRANGER, 'repo_not_found'],
  ['disabled', 'hf://acme/disabled', undefined, 'access_denied'],
  ['there, but the revision is not', 'hf://acme/open@v9', undefined, 'revision_not_found'],
  ['there, but the commit is not', `hf://acme/open@${'ab'.repeat(20)}`, undefined, 'revision_not_found'],
  ['there, but the file is not', 'hf://acme/open/absent.bin', undefined, 'file_not_found'],
] as const;

describe('a repository that is', { concurrency: 2 }, () => {
  for (const [what, url, token, code] of REFUSALS) {
    test(`${what} ends in ${code}`, async (context) => {
      const person = await errand(context, { ...atHub(), ...(token && { HF_TOKEN: token }) });
      const error = await assertFailedClean(person, await person.get(url), code);
      assert.match(error.message, /acme\/|absent\.bin/u);
    });
  }
});

test('who was let in gets the gated and the private repository', async (context) => {
  const person = await errand(context, { ...atHub(), HF_TOKEN: MEMBER });
  await assertArrived(person, await person.get('hf://acme/gated'));
  const out = `${person.out}-2`;
  await assertArrived({ out }, await person.get('hf://acme/private', '-O', out));
  assert.equal(hub.stats().credentialLeaks, 0);
});

/** Strikes every request about a repository, its content at the CDN included. */
function strike(context: { after(work: () => void): void }, repo: string, status: number, times?: number) {
  const headers = status === 429 ? { 'retry-after': times === undefined ? '60' : '1' } : {};
  const rule = { kind: 'status' as const, status, headers, ...(times !== undefined && { times }) };
  const handle = hub.faults.add({ ...rule, match: { path: new RegExp(repo, 'u') } });
  context.after(() => handle.remove());
  return handle;
}

test('a hub that asks to wait longer than the limit ends in rate_limited, at once', async (context) => {
  const person = await errand(context, atHub());
  strike(context, 'acme/limited', 429);
  const result = await person.get('hf://acme/limited');
  const error = await assertFailedClean(person, result, 'rate_limited');
  assert.match(error.message, /wait 60 s/u);
  assert.ok(result.seconds < 10, `${result.seconds} s`);
});

test('a hub that asks to wait less than the limit is waited for', async (context) => {
  const person = await errand(context, atHub());
  const limit = strike(context, 'acme/limited', 429, 2);
  const result = await person.get('hf://acme/limited', '--retry-wait', '20s');
  await assertArrived(person, result);
  assert.equal(limit.hits, 2);
  const waits = result.lines.filter((line) => line.kind === 'waiting').map(({ waitMs }) => waitMs);
  assert.deepEqual(waits.length, 2, 'each wait is told');
  assert.ok(waits.every((waitMs) => waitMs >= 1_000));
});

test('a burst of 5xx is sat out', async (context) => {
  const person = await errand(context, atHub());
  const burst = strike(context, 'acme/shaky', 503, 3);
  await assertArrived(person, await person.get('hf://acme/shaky', '--retry-wait', '20s'));
  assert.equal(burst.hits, 3);
});

test('a hub that answers 5xx for ever ends in origin_unavailable', async (context) => {
  const person = await errand(context, atHub());
  strike(context, 'acme/dead', 500);
  const error = await assertFailedClean(person, await person.get('hf://acme/dead'), 'origin_unavailable');
  assert.match(error.message, /answered 500/u);
});

test('a CDN that answers 5xx for ever ends in origin_unavailable, and the run after it completes', async (context) => {
  const person = await errand(context, atHub());
  const broken = hub.faults.add({ kind: 'status', status: 502, match: { host: 'cdn' } });
  context.after(() => broken.remove());
  const result = await person.get('hf://acme/cdn');
  assert.equal(result.exitCode, 7, result.stderr);
  assert.deepEqual(
    [...new Set(result.summary?.failed.map(({ error }) => error.code))],
    ['origin_unavailable'],
  );
  broken.remove();
  await assertArrived(person, await person.get('hf://acme/cdn'));
});

test('a port where nothing listens, and a host that does not exist, end in network_unreachable', async (context) => {
  for (const endpoint of ['http://127.0.0.1:9', 'http://no-such-host.invalid']) {
    const person: Errand = await errand(context, { HF_ENDPOINT: endpoint });
    const error = await assertFailedClean(person, await person.get('hf://acme/open'), 'network_unreachable');
    assert.match(error.message, /127\.0\.0\.1:9|no-such-host/u);
  }
});
