// One file to standard output while it comes, with real processes: through a daemon, and by the engine in the command.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { dfget, type Emulator, spawnNode } from '../../src/testing/cluster/index.ts';
import { cluster, listedFiles, MiB, modelHub, REPO, statusOf, temporaryFolder } from './support.ts';

const ENTRY = join(import.meta.dirname, '..', '..', 'src', 'cli', 'dfget.ts');
const SIZE_MIB = 24;
const SHARD = 'model-00001-of-00002.safetensors';

interface Streamed {
  readonly exitCode: number | null;
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly stderr: string;
}

interface StreamOptions {
  readonly hub: Emulator;
  /** A daemon's socket, or a folder for the cache of the command. */
  readonly place: readonly string[];
  readonly onBytes?: (bytes: number) => void;
  /** Standard output is closed when something has come. */
  readonly closes?: boolean;
}

/** Runs `dfget … -O -` to its end. */
async function stream(
  args: readonly string[],
  { hub, place, onBytes, closes = false }: StreamOptions,
): Promise<Streamed> {
  const child = spawnNode(ENTRY, [...args, '-O', '-', ...place], { env: { HF_ENDPOINT: hub.url } });
  const hash = createHash('sha256');
  let [sizeBytes, stderr] = [0, ''];
  child.stdout?.on('data', (bytes: Buffer) => {
    hash.update(bytes);
    sizeBytes += bytes.length;
    onBytes?.(sizeBytes);
    if (closes) child.stdout?.destroy();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { exitCode, sha256: `sha256:${hash.digest('hex')}`, sizeBytes, stderr };
}

/** Without a daemon, and through one of a cluster with a scheduler and a seed. */
const WAYS: readonly {
  readonly way: string;
  readonly placeFor: (context: TestContext, hub: Emulator) => Promise<readonly string[]>;
}[] = [
  {
    way: 'without a daemon',
    placeFor: async (context) => ['--cache-dir', join(await temporaryFolder(context), 'cache')],
  },
  {
    way: 'through a daemon',
    placeFor: async (context, hub) => {
      const [peer = assert.fail()] = (await cluster(context, hub, { peers: 1 })).peers;
      return ['--endpoint', peer.socket];
    },
  },
];

async function listed(hub: Emulator, place: readonly string[], path: string) {
  const result = await dfget([`hf://${REPO}`, '--dry-run', ...place], { env: { HF_ENDPOINT: hub.url } });
  return listedFiles(result).find((file) => file.path === path) ?? assert.fail(result.stderr);
}

for (const { way, placeFor } of WAYS) {
  test(`${way} a file is what the hub has, and nothing else is on standard output`, async (context) => {
    const hub = await modelHub(context, { sizeMiB: SIZE_MIB, shards: 2 });
    const place = await placeFor(context, hub);
    const file = await listed(hub, place, SHARD);
    const whole = await stream([`hf://${REPO}/${SHARD}`], { hub, place });
    assert.equal(whole.exitCode, 0, whole.stderr);
    assert.equal(whole.sizeBytes, file.sizeBytes);
    assert.equal(whole.sha256, file.digest);
    assert.match(whole.stderr, /1 file/u);
    const again = await stream([`hf://${REPO}/${SHARD}`, '-q'], { hub, place });
    assert.deepEqual(again, { ...whole, stderr: '' }, 'from the cache');
    const small = await stream([`hf://${REPO}`, '--include', 'config.json'], { hub, place });
    assert.equal(small.exitCode, 0, small.stderr);
    assert.equal(small.sizeBytes, (await listed(hub, place, 'config.json')).sizeBytes);
  });

  test(`${way} a wrong file comes without its end, and the exit code says so`, async (context) => {
    const hub = await modelHub(context, { sizeMiB: SIZE_MIB, shards: 2 });
    await hub.addFault({ kind: 'corrupt', atByte: 3 * MiB + 5, match: { path: SHARD } });
    const place = await placeFor(context, hub);
    const file = await listed(hub, place, SHARD);
    const { exitCode, sizeBytes, stderr } = await stream([`hf://${REPO}/${SHARD}`], { hub, place });
    assert.equal(exitCode, 8, stderr);
    assert.ok(sizeBytes < file.sizeBytes, `${sizeBytes} of ${file.sizeBytes} bytes`);
    assert.match(stderr, /error\[digest_mismatch\]/u);
  });

  test(`${way} of several files none comes, and the error names what to do`, async (context) => {
    const hub = await modelHub(context, { sizeMiB: 2, shards: 2 });
    const place = await placeFor(context, hub);
    const { exitCode, sizeBytes, stderr } = await stream([`hf://${REPO}`], { hub, place });
    assert.equal(exitCode, 2);
    assert.equal(sizeBytes, 0);
    assert.match(stderr, /error\[usage_invalid\].*one file/u);
    assert.match(stderr, /hint: .*--include/u);
  });

  test(`${way} whoever has read enough ends it without a word`, async (context) => {
    const hub = await modelHub(context, { sizeMiB: SIZE_MIB, shards: 2 });
    const place = await placeFor(context, hub);
    const args = [`hf://${REPO}/${SHARD}`, '--no-progress'];
    const { exitCode, stderr } = await stream(args, { hub, place, closes: true });
    assert.equal(exitCode, 141);
    assert.equal(stderr, '');
  });
}

test('the beginning comes long before the end, in a swarm too', async (context) => {
  const hub = await modelHub(context, { sizeMiB: SIZE_MIB, shards: 2, totalBytesPerSecond: 4 * MiB });
  const { peers } = await cluster(context, hub, { peers: 2 });
  const runs = peers.map(async (peer) => {
    const place = ['--endpoint', peer.socket];
    let held: Promise<number> | undefined;
    const onBytes = (): void => {
      held ??= statusOf(peer).then(
        ({ swarms }) => (swarms[0]?.piecesHeld ?? 0) / (swarms[0]?.pieceCount ?? 1),
      );
    };
    const { exitCode, sha256, stderr } = await stream([`hf://${REPO}/${SHARD}`], { hub, place, onBytes });
    assert.equal(exitCode, 0, stderr);
    assert.equal(sha256, (await listed(hub, place, SHARD)).digest);
    assert.ok(((await held) ?? 1) < 1, 'something came before all was here');
  });
  await Promise.all(runs);
});
