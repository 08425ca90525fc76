import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AnaxError, createIdentity, type Digest, ExitCode, parseDigest } from '../core/index.ts';
import {
  type BlobSelector,
  type ControlApi,
  controlRoutes,
  type RpcServer,
  startSocketServer,
  type TrafficLimits,
  type VerifyRequest,
} from '../rpc/index.ts';
import { defineAnax } from './anax-program.ts';
import { type CliSetup, doneEvent, resolvedEvent, runCli, SNAPSHOT } from './cli-harness.ts';
import type { StartOptions } from './engine-port.ts';
import { createInterrupt } from './interrupt.ts';

const anax = (args: readonly string[], setup: CliSetup = {}) => runCli('anax', defineAnax, args, setup);
const digest: Digest = parseDigest(`sha256:${'ab'.repeat(32)}`);
const identity = createIdentity();

describe('anax on a daemon', () => {
  let folder: string;
  let socket: string;
  let server: RpcServer;
  let limits: TrafficLimits;
  let targets: (BlobSelector | VerifyRequest)[];

  const api: ControlApi = {
    ping: () => Promise.resolve({ version: '1', peerId: identity.id }),
    status: () =>
      Promise.resolve({
        peer: {
          id: identity.id,
          publicKey: identity.publicKey,
          host: '10.0.0.1',
          port: 7411,
          role: 'seed',
          zone: 'eu/a',
          hostname: 'node-1',
          version: '1.2.3',
        },
        uptimeMs: 7_500_000,
        scheduler: { address: 'scheduler:7410', connected: true },
        cache: { dir: '/var/cache/anax', blobs: 2, heldBytes: 3 * 1024 ** 3, capacityBytes: 100 * 1024 ** 3 },
        swarms: [
          {
            snapshotId: SNAPSHOT,
            url: 'hf://o/n@c',
            piecesHeld: 1,
            pieceCount: 4,
            totalBytes: 4096,
            neighbours: 5,
          },
        ],
        originWaits: [{ origin: 'hub.example', waitMs: 12_000 }],
        totals: { bytesFromPeers: 1024, bytesFromOrigin: 2048, bytesToPeers: 4096, originRequests: 1 },
      }),
    list: () =>
      Promise.resolve({
        blobs: [
          {
            digest,
            sizeBytes: 4096,
            heldBytes: 1024,
            state: 'partial',
            aliases: [],
            lastUsedAtMs: Date.now(),
            pinned: true,
          },
        ],
        snapshots: [
          {
            snapshotId: SNAPSHOT,
            url: 'hf://o/n@c',
            files: 3,
            totalBytes: 4096,
            heldBytes: 1024,
            digests: [digest],
            pinned: true,
          },
        ],
      }),
    remove: (target) => {
      targets.push(target);
      return Promise.resolve({ blobs: 1, freedBytes: 4096 });
    },
    pin: (target) => {
      targets.push(target);
      return Promise.resolve({ name: SNAPSHOT, blobs: 2 });
    },
    unpin: (target) => {
      targets.push(target);
      return Promise.resolve({ name: digest, blobs: 1 });
    },
    setLimits: async (change) => {
      limits = { ...limits, ...change };
      return limits;
    },
    async *verify(asked) {
      targets.push(asked);
      yield { kind: 'progress', blobs: 0, totalBlobs: 2, bytes: 1024, totalBytes: 8192 };
      yield { kind: 'blob', digest, sizeBytes: 4096, good: false, badPieces: 1 };
      yield { kind: 'blob', digest, sizeBytes: 4096, good: true, badPieces: 0 };
      yield { kind: 'repair', digest, ok: true, bytesFromPeers: 2048, bytesFromOrigin: 0 };
      yield { kind: 'done', blobs: 2, badBlobs: 1, repairedBlobs: 1, bytes: 8192 };
    },
    async *download() {
      yield resolvedEvent;
      yield doneEvent();
    },
    close: () => Promise.resolve(),
  };

  beforeEach(async () => {
    targets = [];
    limits = { uploadBytesPerSecond: 1024 ** 2, downloadBytesPerSecond: 0 };
    folder = await mkdtemp(join(tmpdir(), 'anax-cli-'));
    socket = join(folder, 'anax.sock');
    server = await startSocketServer(controlRoutes(api), { socketPath: socket });
  });
  afterEach(async () => {
    await server.close(0);
    await rm(folder, { recursive: true });
  });

  it('shows its status', async () => {
    const { stdout, exitCode } = await anax(['status', '--endpoint', socket]);
    assert.equal(exitCode, 0);
    assert.equal(
      stdout,
      [
        `seed       ${identity.id} on node-1 in eu/a, version 1.2.3`,
        'address    10.0.0.1:7411',
        'up         2 h 5 min',
        'scheduler  scheduler:7410, connected',
        'cache      /var/cache/anax: 2 blobs, 3.00 GiB of 100 GiB',
        'received   1.00 KiB from peers, 2.00 KiB from origins in 1 request',
        'given      4.00 KiB to peers',
        'waiting    hub.example limits requests: going on in 0:12',
        '',
        'SWARM             SIZE  HELD  NEIGHBOURS  URL',
        'abababababab  4.00 KiB   25%           5  hf://o/n@c',
        '',
      ].join('\n'),
    );
    const json = await anax(['status', '--endpoint', `unix://${socket}`, '--json']);
    assert.equal((JSON.parse(json.stdout) as { uptimeMs: number }).uptimeMs, 7_500_000);
  });

  it('shows and changes the limits', async () => {
    const env = { ANAX_SOCKET: socket };
    const shown = await anax(['limits'], { env });
    assert.equal(shown.exitCode, 0, shown.stderr);
    assert.equal(shown.stdout, 'upload    1.00 MiB/s\ndownload  no limit\n');
    const changed = await anax(['limits', '--upload-rate', '0', '--download-rate', '1GiB'], { env });
    assert.equal(changed.stdout, 'upload    no limit\ndownload  1.00 GiB/s\n');
    const json = await anax(['limits', '--upload-rate', '5', '--json'], { env });
    const expected = { uploadBytesPerSecond: 5, downloadBytesPerSecond: 1024 ** 3 };
    assert.deepEqual(JSON.parse(json.stdout), expected);
    assert.deepEqual(limits, expected);
    assert.equal((await anax(['limits', '--upload-rate', 'fast'], { env })).exitCode, ExitCode.usage);
  });

  it('lists the cache', async () => {
    const { stdout } = await anax(['ls'], { env: { ANAX_SOCKET: socket } });
    assert.equal(
      stdout.replace(/\d\.\d s ago/u, 'now'),
      [
        'SNAPSHOT          SIZE  HELD  FILES  URL',
        'abababababab  4.00 KiB   25%      3  hf://o/n@c  (pinned)',
        '',
        'BLOB                     SIZE  HELD  STATE            USED',
        'sha256:abababababab  4.00 KiB   25%  partial, pinned  now',
        '1 blob, 1.00 KiB',
        '',
      ].join('\n'),
    );
  });

  it('removes and verifies blobs and snapshots', async () => {
    const env = { ANAX_SOCKET: socket };
    assert.equal((await anax(['rm', digest], { env })).stdout, 'removed 1 blob, 4.00 KiB\n');
    assert.equal((await anax(['rm', 'abababab'], { env })).exitCode, 0);
    const verified = await anax(['verify'], { env });
    assert.equal(verified.exitCode, ExitCode.integrity);
    assert.equal(
      verified.stdout,
      [
        `BAD        ${digest}  4.00 KiB  1 wrong piece`,
        `mended     ${digest}  2.00 KiB from peers, 0 B from the origin`,
        '2 blobs, 8.00 KiB: 1 damaged, 1 mended',
        '',
      ].join('\n'),
    );
    assert.equal((await anax(['verify', digest, '--rate', '1MiB/s', '--json'], { env })).exitCode, 8);
    assert.deepEqual(targets, [
      { kind: 'digest', digest },
      { kind: 'snapshot', snapshotId: 'abababab' },
      {},
      { target: { kind: 'digest', digest }, bytesPerSecond: 1024 * 1024 },
    ]);
    assert.equal((await anax(['rm', 'model.bin'], { env })).exitCode, ExitCode.usage);
  });

  it('pins and unpins', async () => {
    const env = { ANAX_SOCKET: socket };
    assert.equal((await anax(['pin', 'abababab'], { env })).stdout, `pinned ${SNAPSHOT}, 2 blobs\n`);
    assert.equal((await anax(['unpin', digest], { env })).stdout, `unpinned ${digest}, 1 blob\n`);
    assert.deepEqual(targets, [
      { kind: 'snapshot', snapshotId: 'abababab' },
      { kind: 'digest', digest },
    ]);
  });

  it('downloads through the daemon that answers, unless flags are about an engine of its own', async () => {
    const env = { ANAX_SOCKET: socket };
    const through = await anax(['get', 'hf://o/n', '-O', 'out'], { env });
    assert.equal(through.exitCode, 0, through.stderr);
    assert.equal(through.requests.length, 0);
    const events = [resolvedEvent, doneEvent()];
    const own = await anax(['get', 'hf://o/n', '-O', 'out', '--cache-dir', '/c'], { env, events });
    assert.equal(own.requests.length, 1);
  });

  it('downloads by itself where the default daemon is gone, but not where one is named', async () => {
    await server.close(0);
    const events = [resolvedEvent, doneEvent()];
    const own = await anax(['get', 'hf://o/n', '-O', 'out'], { env: { ANAX_SOCKET: socket }, events });
    assert.equal(own.requests.length, 1);
    const named = await anax(['get', 'hf://o/n', '-O', 'out', '--endpoint', socket], { events });
    assert.equal(named.exitCode, ExitCode.network);
    assert.match(named.stderr, /error\[daemon_unavailable\]/u);
  });
});

describe('anax as a service', () => {
  const ready = { peerId: identity.id, peerPort: 7411, socket: '/run/anax.sock' };
  const quiet = { ANAX_LOG_LEVEL: 'silent' };

  it('says on one line that it is ready, and stops when told to', async () => {
    const controller = new AbortController();
    const seen: StartOptions[] = [];
    const stops: number[] = [];
    const parts = {
      startDaemon: (options: StartOptions) => {
        seen.push(options);
        setImmediate(() => controller.abort(new AnaxError('interrupted')));
        return Promise.resolve({
          ready,
          stop: (deadlineMs: number) => Promise.resolve(void stops.push(deadlineMs)),
        });
      },
    };
    const args = ['seed', '--stop-wait', '3s', '--upload-rate', '1MiB'];
    const { exitCode, stdout } = await anax(args, { parts, env: quiet, signal: controller.signal });
    assert.equal(exitCode, 0);
    assert.equal(stdout, `${JSON.stringify({ ready: true, ...ready })}\n`);
    assert.deepEqual(stops, [3000]);
    assert.equal(seen[0]?.config.role, 'seed');
    assert.equal(seen[0]?.config.uploadBytesPerSecond, 1024 * 1024);
  });

  it('fails with what broke it', async () => {
    const stop = () => Promise.resolve();
    const ended = Promise.reject(new AnaxError('disk_full'));
    const parts = { startScheduler: () => Promise.resolve({ ready, ended, stop }) };
    const { exitCode, stderr } = await anax(['scheduler'], { parts, env: quiet });
    assert.equal(exitCode, ExitCode.disk);
    assert.match(stderr, /^anax: error\[disk_full\]/u);
  });

  it('refuses an unknown command and suggests the nearest', async () => {
    const { exitCode, stderr } = await anax(['statsu']);
    assert.equal(exitCode, ExitCode.usage);
    assert.match(stderr, /Did you mean status\?/u);
  });
});

describe('an interrupt', () => {
  it('aborts at the first signal and exits at the second', () => {
    const listeners = new Map<string, () => void>();
    const exits: number[] = [];
    const interrupt = createInterrupt({
      on: (signal, listener) => listeners.set(signal, listener),
      off: (signal) => listeners.delete(signal),
      exit: (code) => exits.push(code),
    });
    listeners.get('SIGINT')?.();
    assert.equal(interrupt.signal.aborted, true);
    assert.equal((interrupt.signal.reason as AnaxError).code, 'interrupted');
    assert.deepEqual(exits, []);
    listeners.get('SIGTERM')?.();
    assert.deepEqual(exits, [ExitCode.interrupted]);
    interrupt.release();
    assert.equal(listeners.size, 0);
  });
});
