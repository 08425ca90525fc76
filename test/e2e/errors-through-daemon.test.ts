// The same failures where a daemon and a seed stand between a person and the hub: the code, the words and the hint arrive
// as if dfget had met them itself, and one caller's failure is not another's.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { ErrorCode } from '../../src/core/index.ts';
import { type Cluster, type DaemonNode, startCluster } from '../../src/testing/cluster/index.ts';
import {
  generatedContent,
  type HuggingFaceHub,
  startHuggingFaceHub,
} from '../../src/testing/hub-emulator/index.ts';
import { assertArrived, assertFailed, assertFailedClean, errand, filesIn, SECRET } from './errand.ts';
import { MiB, makeTemporaryFolder } from './support.ts';

const MEMBER = `hf_member${SECRET}`;
const STRANGER = `hf_stranger${SECRET}`;
const UNKNOWN = `hf_unknown${SECRET}`;

let hub: HuggingFaceHub;
let nodes: Cluster;
let peer: DaemonNode;
let removeFolder: () => Promise<void>;

before(async () => {
  hub = await startHuggingFaceHub();
  const large = (seed: string) => generatedContent({ seed, sizeBytes: 3 * MiB });
  const files = { 'config.json': '{}', 'a.bin': large('a') };
  const revisions = { main: files };
  for (const id of ['acme/open', 'acme/limited', 'acme/dead']) hub.putRepo({ id, revisions });
  hub.putRepo({ id: 'acme/wrong', revisions: { main: { ...files, 'wrong.bin': large('wrong') } } });
  hub.putRepo({ id: 'acme/gated', gated: 'manual', revisions });
  hub.putRepo({ id: 'acme/private', private: true, revisions });
  const climbing = { type: 'file', path: '../evil.txt', size: 1, oid: 'e'.repeat(40) };
  hub.putRepo({ id: 'acme/hostile', revisions, rawEntries: [climbing] });
  hub.faults.add({ kind: 'status', status: 500, match: { path: /acme\/dead/u } });
  hub.addToken(MEMBER, { canRead: ['acme/private'], grants: ['acme/gated'] });
  hub.addToken(STRANGER);
  const { folder, remove } = await makeTemporaryFolder();
  removeFolder = remove;
  const daemonArgs = ['--hf-endpoint', hub.url, '--retry-wait', '1s'];
  nodes = await startCluster({ folder, peers: 1, seeds: 1, daemonArgs });
  const [first] = nodes.peers;
  assert.ok(first);
  peer = first;
});

after(async () => {
  await nodes.stop();
  await hub.close();
  await removeFolder();
});

const CASES: readonly (readonly [
  url: string,
  token: string | undefined,
  code: ErrorCode,
  ...flags: string[],
])[] = [
  ['hf://acme/gated', undefined, 'access_gated'],
  ['hf://acme/gated', STRANGER, 'access_gated'],
  ['hf://acme/private', undefined, 'auth_required'],
  ['hf://acme/private', STRANGER, 'repo_not_found'],
  ['hf://acme/open', UNKNOWN, 'auth_invalid'],
  ['hf://acme/open@v9', undefined, 'revision_not_found'],
  ['hf://acme/open/absent.bin', undefined, 'file_not_found'],
  ['hf://acme/open', undefined, 'nothing_matched', '--include', '*.gguf'],
  ['hf://acme/hostile', undefined, 'listing_unsafe'],
  ['hf://acme/dead', undefined, 'origin_unavailable'],
  ['s3://bucket/key', undefined, 'scheme_unknown'],
];

/** The daemon's error is the one that dfget meets by itself. */
async function assertSame(
  context: TestContext,
  [url, token, code, ...flags]: (typeof CASES)[number],
): Promise<void> {
  const she = await errand(context, { HF_ENDPOINT: hub.url, ...(token && { HF_TOKEN: token }) });
  const direct = await assertFailedClean(she, await she.get(url, ...flags), code);
  const through = await assertFailedClean(she, await she.get(url, ...flags, '--endpoint', peer.socket), code);
  assert.equal(through.hint, direct.hint);
  assert.equal(plain(through.message), plain(direct.message));
}

describe('through a daemon and a seed', { concurrency: 2 }, () => {
  for (const item of CASES) {
    const [url, token, code, ...flags] = item;
    const who = token === undefined ? 'anonymous' : (/_([a-z]+)/u.exec(token)?.[1] ?? '');
    test(`${[url, ...flags].join(' ')} (${who}) ends in ${code}`, (context) => assertSame(context, item));
  }
});

/** Without what differs from one try to the next. */
function plain(message: string): string {
  return message.replaceAll(/\d+ (?:s|attempts?)\b/gu, 'N');
}

test('who may not read a private repository does not get it after one who may', async (context) => {
  const may = await errand(context, { HF_ENDPOINT: hub.url, HF_TOKEN: MEMBER });
  for (const url of ['hf://acme/private', 'hf://acme/gated']) {
    const out = join(may.folder, url.replaceAll(/\W/gu, '-'));
    await assertArrived({ out }, await may.get(url, '-O', out, '--endpoint', peer.socket));
  }
  const mayNot = await errand(context, { HF_ENDPOINT: hub.url, HF_TOKEN: STRANGER });
  const through = ['--endpoint', peer.socket];
  await assertFailedClean(mayNot, await mayNot.get('hf://acme/private', ...through), 'repo_not_found');
  await assertFailedClean(mayNot, await mayNot.get('hf://acme/gated', ...through), 'access_gated');
});

test('one wrong byte: the file is refused by name with both digests, all others arrive, and later it may too', async (context) => {
  const wrong = hub.faults.add({ kind: 'corrupt', atByte: 7, match: { path: /wrong\.bin/u } });
  const she = await errand(context, { HF_ENDPOINT: hub.url });
  const result = await she.get('hf://acme/wrong', '--endpoint', peer.socket);
  const error = assertFailed(result, 'digest_mismatch');
  assert.equal(error.details['file'], 'wrong.bin');
  assert.match(String(error.details['actual']), /^sha256:[0-9a-f]{64}$/u);
  assert.deepEqual(await filesIn(she.out), ['a.bin', 'config.json']);
  wrong.remove();
  await assertArrived(she, await she.get('hf://acme/wrong', '--endpoint', peer.socket));
});

test('an output that can not be written, or exists with other content, is told of', async (context) => {
  const she = await errand(context, { HF_ENDPOINT: hub.url });
  await writeFile(join(she.folder, 'file'), 'in the way');
  const through = ['--endpoint', peer.socket];
  const below = join(she.folder, 'file', 'out');
  assertFailed(await she.get('hf://acme/open', '-O', below, ...through), 'output_unwritable');
  const single = join(she.folder, 'file');
  assertFailed(await she.get('hf://acme/open/config.json', '-O', single, ...through), 'output_exists');
  const forced = await she.get('hf://acme/open/config.json', '-O', single, '--overwrite', ...through);
  assert.equal(forced.exitCode, 0, forced.stderr);
});

test('a hub that asks to wait too long is told of', async (context) => {
  const headers = { 'retry-after': '60' };
  hub.faults.add({ kind: 'status', status: 429, headers, match: { path: /acme\/limited/u } });
  await assertSame(context, ['hf://acme/limited', undefined, 'rate_limited']);
});

test('no token is in a log', () => {
  for (const node of [...nodes.peers, ...nodes.seeds, nodes.scheduler]) {
    assert.equal(node.service.log.includes(SECRET), false);
  }
});
