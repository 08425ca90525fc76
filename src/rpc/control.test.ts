import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  AnaxError,
  createIdentity,
  type Digest,
  type ErrorCode,
  errorTable,
  parseDigest,
  Secret,
  type SnapshotId,
  toErrorRecord,
} from '../core/index.ts';
import {
  type ControlApi,
  connectControl,
  controlRoutes,
  type DaemonStatus,
  type DownloadEvent,
  type DownloadRequest,
  type RpcServer,
  startSocketServer,
  type TrafficLimits,
} from './index.ts';

const digest: Digest = parseDigest(`sha256:${'ab'.repeat(32)}`);
const snapshotId = 'cd'.repeat(32) as SnapshotId;
const { signal } = new AbortController();
const request: DownloadRequest = {
  url: 'hf://owner/name',
  include: [],
  exclude: [],
  overwrite: false,
  dryRun: false,
};

const notAsked = () => Promise.reject(new AnaxError('internal', 'not asked for here'));

function fakeApi(parts: Partial<ControlApi>): ControlApi {
  return {
    ping: notAsked,
    status: notAsked,
    list: notAsked,
    remove: notAsked,
    pin: notAsked,
    unpin: notAsked,
    setLimits: notAsked,
    // eslint-disable-next-line require-yield -- nobody asks
    async *download() {
      await notAsked();
    },
    // eslint-disable-next-line require-yield -- nobody asks
    async *verify() {
      await notAsked();
    },
    close: () => Promise.resolve(),
    ...parts,
  };
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('the control API over a Unix socket', () => {
  let folder: string;
  let socketPath: string;
  let server: RpcServer | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'anax-rpc-'));
    socketPath = join(folder, 'run', 'anax.sock');
  });
  afterEach(async () => {
    await server?.close(100);
    server = undefined;
    await rm(folder, { recursive: true });
  });

  async function serve(parts: Partial<ControlApi>): Promise<ControlApi> {
    server = await startSocketServer(controlRoutes(fakeApi(parts)), { socketPath });
    return connectControl(socketPath);
  }

  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    it(`brings ${code} to the caller with hint and details`, async () => {
      const details = { file: 'a/b.bin', size: 12, good: false };
      const thrown = new AnaxError(code, 'see there', { details, hint: 'do this' });
      const remote = await serve({
        status: () => Promise.reject(thrown),
        async *download() {
          yield { kind: 'resolved', snapshotId, url: 'u', revision: 'r', files: [], totalBytes: 0 };
          throw thrown;
        },
      });
      const sameError = (error: unknown) => {
        assert.deepEqual(toErrorRecord(error), toErrorRecord(thrown));
        return true;
      };
      await assert.rejects(remote.status(signal), sameError);
      await assert.rejects(collect(remote.download(request, signal)), sameError);
      await remote.close();
    });
  }

  it('brings a request to the engine as it was', async () => {
    let seen: DownloadRequest | undefined;
    const remote = await serve({
      // eslint-disable-next-line require-yield -- the request is what matters
      async *download(got) {
        seen = got;
      },
    });
    const full: DownloadRequest = {
      ...request,
      revision: 'v1',
      endpoint: 'https://hub.example',
      outputPath: '/out',
      include: ['*.json'],
      exclude: ['a/**'],
      token: new Secret('hf_abc'),
      headers: { 'X-A': new Secret('b') },
      digest,
      overwrite: true,
      dryRun: true,
      hfCacheDir: '/hf',
      timeoutMs: 7_200_000,
      stream: true,
    };
    await collect(remote.download(full, signal));
    assert.deepEqual(seen, full);
    assert.equal(seen?.token?.reveal(), 'hf_abc');
    assert.equal(seen?.headers?.['X-A']?.reveal(), 'b');
    await collect(remote.download(request, signal));
    assert.deepEqual(seen, request);
    await remote.close();
  });

  it('brings every kind of event to the caller as it was', async () => {
    const origins = { bytesFromPeers: 5e12, bytesFromOrigin: 2, bytesFromCache: 3 };
    const error = toErrorRecord(new AnaxError('digest_mismatch', 'x', { details: { expected: 'a' } }));
    const events: DownloadEvent[] = [
      {
        kind: 'resolved',
        snapshotId,
        url: 'hf://o/n@c',
        revision: 'c',
        files: [{ path: 'p', sizeBytes: 5e12, digest }],
        totalBytes: 5e12,
      },
      {
        kind: 'progress',
        filesDone: 1,
        bytesDone: 9,
        ...origins,
        active: [{ path: 'p', bytesDone: 4 }],
        peers: 3,
      },
      { kind: 'files_done', files: [{ path: 'p', sizeBytes: 9, digest, method: 'reflink' }] },
      { kind: 'waiting', waitMs: 45_000 },
      { kind: 'chunk', content: Uint8Array.of(1, 2, 255) },
      { kind: 'file_failed', path: 'q', error },
      {
        kind: 'done',
        summary: {
          files: 1,
          filesFailed: 1,
          bytes: 9,
          ...origins,
          originRequests: 4,
          seconds: 1.5,
          outputPath: '/o',
        },
      },
    ];
    const remote = await serve({
      async *download() {
        yield* events;
      },
    });
    assert.deepEqual(await collect(remote.download(request, signal)), events);
    await remote.close();
  });

  it('brings a change of limits to the daemon, and what is in force back', async () => {
    const seen: Partial<TrafficLimits>[] = [];
    const inForce = { uploadBytesPerSecond: 5, downloadBytesPerSecond: 0 };
    const remote = await serve({
      setLimits: async (change) => {
        seen.push(change);
        return inForce;
      },
    });
    const changes = [{}, { uploadBytesPerSecond: 0 }, { downloadBytesPerSecond: 2 ** 40 }, inForce];
    for (const change of changes) assert.deepEqual(await remote.setLimits(change, signal), inForce);
    assert.deepEqual(seen, changes);
    await remote.close();
  });

  it('ends the download in the daemon when the caller aborts', { timeout: 10_000 }, async () => {
    const ended = Promise.withResolvers<void>();
    const remote = await serve({
      async *download(_request, daemonSignal) {
        daemonSignal.addEventListener('abort', () => ended.resolve());
        yield { kind: 'resolved', snapshotId, url: 'u', revision: 'r', files: [], totalBytes: 0 };
        await ended.promise;
      },
    });
    const controller = new AbortController();
    const reason = new AnaxError('timeout');
    await assert.rejects(
      async () => {
        for await (const _event of remote.download(request, controller.signal)) controller.abort(reason);
      },
      (error) => error === reason,
    );
    await ended.promise;
    await remote.close();
  });

  it('tells status, listing, removal, verification and ping', async () => {
    const identity = createIdentity();
    const status: DaemonStatus = {
      peer: {
        id: identity.id,
        publicKey: identity.publicKey,
        host: '10.0.0.1',
        port: 4001,
        role: 'seed',
        zone: 'z',
        hostname: 'h',
        version: '1',
      },
      uptimeMs: 1234,
      scheduler: { address: 's:4000', connected: true },
      cache: { dir: '/c', blobs: 2, heldBytes: 5, capacityBytes: 10 },
      swarms: [{ snapshotId, url: 'u', piecesHeld: 1, pieceCount: 2, totalBytes: 3, neighbours: 4 }],
      originWaits: [{ origin: 'hub.example', waitMs: 12_000 }],
      totals: { bytesFromPeers: 1, bytesFromOrigin: 2, bytesToPeers: 3, originRequests: 4 },
    };
    const listing = {
      blobs: [
        {
          digest,
          sizeBytes: 9,
          heldBytes: 8,
          state: 'partial' as const,
          aliases: [digest],
          lastUsedAtMs: 7,
          pinned: true,
        },
      ],
      snapshots: [
        { snapshotId, url: 'u', files: 1, totalBytes: 9, heldBytes: 8, digests: [digest], pinned: true },
      ],
    };
    const checks = [
      { kind: 'blob' as const, digest, sizeBytes: 9, good: false, badPieces: 1 },
      { kind: 'progress' as const, blobs: 1, totalBlobs: 2, bytes: 9, totalBytes: 10 },
      { kind: 'repair' as const, digest, ok: true as const, bytesFromPeers: 1, bytesFromOrigin: 2 },
      {
        kind: 'repair' as const,
        digest,
        ok: false as const,
        error: toErrorRecord(new AnaxError('swarm_stalled', 'x')),
      },
      { kind: 'done' as const, blobs: 1, badBlobs: 1, repairedBlobs: 1, bytes: 9 },
    ];
    const targets: unknown[] = [];
    const remote = await serve({
      ping: () => Promise.resolve({ version: '1', peerId: identity.id }),
      status: () => Promise.resolve(status),
      list: () => Promise.resolve(listing),
      remove: (target) => {
        targets.push(target);
        return Promise.resolve({ blobs: 1, freedBytes: 9 });
      },
      pin: (target) => Promise.resolve({ name: `${target.kind} pinned`, blobs: 2 }),
      unpin: (target) => Promise.resolve({ name: `${target.kind} unpinned`, blobs: 3 }),
      async *verify(asked) {
        targets.push(asked);
        yield* checks;
      },
    });
    assert.deepEqual(await remote.ping(signal), { version: '1', peerId: identity.id });
    assert.deepEqual(await remote.status(signal), status);
    assert.deepEqual(await remote.list(signal), listing);
    assert.deepEqual(await remote.remove({ kind: 'digest', digest }, signal), { blobs: 1, freedBytes: 9 });
    const blob = { kind: 'digest' as const, digest };
    assert.deepEqual(await remote.pin(blob, signal), { name: 'digest pinned', blobs: 2 });
    assert.deepEqual(await remote.unpin(blob, signal), { name: 'digest unpinned', blobs: 3 });
    assert.deepEqual(await collect(remote.verify({}, signal)), checks);
    const asked = { target: { kind: 'snapshot' as const, snapshotId }, bytesPerSecond: 5 };
    await collect(remote.verify(asked, signal));
    assert.deepEqual(targets, [{ kind: 'digest', digest }, {}, asked]);
    await remote.close();
  });

  it('is daemon_unavailable where nobody listens, and where the daemon goes in the middle', async () => {
    const nobody = connectControl(socketPath);
    await assert.rejects(nobody.ping(signal), { code: 'daemon_unavailable' });
    await nobody.close();
    const remote = await serve({
      async *download(_request, daemonSignal) {
        yield { kind: 'resolved', snapshotId, url: 'u', revision: 'r', files: [], totalBytes: 0 };
        await new Promise((resolve) => daemonSignal.addEventListener('abort', resolve));
      },
    });
    const events = remote.download(request, signal)[Symbol.asyncIterator]();
    await events.next();
    await server?.close(0);
    await assert.rejects(events.next(), { code: 'daemon_unavailable' });
    await remote.close();
  });

  it('refuses a relative output path, which would be relative to the daemon', async () => {
    const remote = await serve({});
    const relative = { ...request, outputPath: 'out' };
    await assert.rejects(collect(remote.download(relative, signal)), { code: 'usage_invalid' });
    await remote.close();
  });

  it('replaces a socket that a dead daemon left, and respects a living one and other files', async () => {
    const remote = await serve({});
    const again = startSocketServer(controlRoutes(fakeApi({})), { socketPath });
    await assert.rejects(again, { code: 'config_invalid' });
    await remote.close();
    await server?.close(0);
    const plain = join(folder, 'plain');
    await writeFile(plain, '');
    const onFile = startSocketServer(controlRoutes(fakeApi({})), { socketPath: plain });
    await assert.rejects(onFile, { code: 'config_invalid' });
  });

  it('lets only owner and group connect', async () => {
    const remote = await serve({});
    assert.equal((await stat(socketPath)).mode & 0o777, 0o660);
    await remote.close();
  });
});
