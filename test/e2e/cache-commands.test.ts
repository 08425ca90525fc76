// Looking after a daemon's cache from the command line: status, ls, verify, rm, and what is repaired.

import assert from 'node:assert/strict';
import { chmod, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  anax,
  assertDelivered,
  cluster,
  contentBytes,
  getThrough,
  listedFiles,
  modelHub,
  REPO,
  statusOf,
} from './support.ts';

const SHARD = 'model-00001-of-00002.safetensors';

async function onePeerWithModel(context: TestContext) {
  const hub = await modelHub(context, { sizeMiB: 4, shards: 2 });
  const { peers } = await cluster(context, hub, { peers: 1 });
  const [peer] = peers;
  assert.ok(peer);
  const first = await getThrough(peer, hub).result;
  await assertDelivered(first, peer.output);
  return { hub, peer, first };
}

async function damage(path: string): Promise<void> {
  await chmod(path, 0o644);
  const file = await open(path, 'r+');
  await file.write(Buffer.from('damaged'), 0, 7, 1_500_000);
  await file.close();
}

test('status and ls tell what a daemon holds; its socket is the owner alone', async (context) => {
  const { peer, first } = await onePeerWithModel(context);
  const { lines: status } = await anax(peer, 'status');
  assert.equal((status[0] as { peer: { id: string } }).peer.id, peer.peerId);
  const { lines: listing } = await anax(peer, 'ls');
  const { snapshots } = listing[0] as { snapshots: { url: string; heldBytes: number; totalBytes: number }[] };
  assert.equal(snapshots.length, 1);
  assert.ok(snapshots[0]?.url.startsWith(`hf://${REPO}@`));
  assert.equal(snapshots[0]?.heldBytes, snapshots[0]?.totalBytes);
  assert.equal(first.summary?.filesFailed, 0);
  assert.equal((await stat(peer.socket)).mode & 0o777, 0o600);
});

test('a file that was changed through an output is found by verify, and only its piece is fetched again', async (context) => {
  const { hub, peer } = await onePeerWithModel(context);
  await hub.reset();
  await damage(join(peer.output, SHARD));
  const { code, lines } = await anax(peer, 'verify');
  assert.equal(code, 8);
  const bad = lines.filter((line) => (line as { good?: boolean }).good === false);
  assert.equal(bad.length, 1);
  assert.equal((bad[0] as { badPieces: number }).badPieces, 1);
  const again = await getThrough(peer, hub, '--overwrite').result;
  await assertDelivered(again, peer.output);
  const { bytesFromPeers, bytesFromOrigin } = again.summary ?? {};
  assert.deepEqual([bytesFromPeers, bytesFromOrigin], [0, 0]);
  const totals = (await statusOf(peer)).totals;
  assert.equal(totals.bytesFromPeers + totals.bytesFromOrigin, contentBytes(again) + 1024 * 1024);
  assert.equal((await hub.stats()).contentBytesSent, 0);
});

test('rm takes a snapshot out, and the next download fetches it from the mesh', async (context) => {
  const { hub, peer, first } = await onePeerWithModel(context);
  await hub.reset();
  const [summary] = (await anax(peer, 'ls')).lines as { snapshots: { snapshotId: string }[] }[];
  const removed = await anax(peer, 'rm', summary?.snapshots[0]?.snapshotId.slice(0, 12) ?? '');
  assert.equal(removed.code, 0);
  const [empty] = (await anax(peer, 'ls')).lines as { blobs: unknown[]; snapshots: unknown[] }[];
  assert.deepEqual(empty, { blobs: [], snapshots: [] });
  await rm(peer.output, { recursive: true });
  const again = await getThrough(peer, hub).result;
  await assertDelivered(again, peer.output);
  assert.equal(again.summary?.bytesFromPeers, first.summary?.bytesFromPeers);
  assert.equal((await hub.stats()).contentBytesSent, 0);
});

test('an output that is complete is not fetched again into an empty cache, and one in the way is told before', async (context) => {
  const { hub, peer, first } = await onePeerWithModel(context);
  const [listing] = (await anax(peer, 'ls')).lines as { snapshots: { snapshotId: string }[] }[];
  await anax(peer, 'rm', listing?.snapshots[0]?.snapshotId ?? '');
  const again = await getThrough(peer, hub).result;
  await assertDelivered(again, peer.output);
  const { bytesFromPeers, bytesFromOrigin, bytes } = again.summary ?? {};
  assert.deepEqual([bytesFromPeers, bytesFromOrigin, bytes], [0, 0, contentBytes(first)]);
  const placed = again.lines.flatMap((line) => (line.kind === 'files_done' ? line.files : []));
  assert.equal(placed.length, listedFiles(first).length);
  assert.ok(placed.every(({ method }) => method === 'existing'));
  assert.deepEqual(((await anax(peer, 'ls')).lines[0] as { blobs: unknown[] }).blobs, []);
  await writeFile(join(peer.output, SHARD), 'mine');
  const refused = await getThrough(peer, hub).result;
  assert.equal(refused.exitCode, 9);
  assert.deepEqual(
    refused.summary?.failed.map(({ path, error }) => [path, error.code]),
    [[SHARD, 'output_exists']],
  );
  assert.deepEqual([refused.summary?.bytesFromPeers, refused.summary?.bytesFromOrigin], [0, 0]);
  assert.equal(await readFile(join(peer.output, SHARD), 'utf8'), 'mine');
});
