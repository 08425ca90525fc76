// Serving over real links: children that take nothing among many that do.

import assert from 'node:assert/strict';
import { ftruncateSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import {
  createIdentity,
  KiB,
  MiB,
  type PeerId,
  type PieceHasher,
  type SnapshotId,
  silentLogger,
} from '../core/index.ts';
import { type DataLink, DataPlane } from '../dataplane/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import { steadyClock } from '../system/index.ts';
import { borrowFile } from '../testing/memory-store/index.ts';
import { ByteRate, nowNs, PeerTransport } from '../transport/index.ts';
import { Uploads } from './uploads.ts';

const SNAPSHOT = 'ab'.repeat(32) as SnapshotId;
const PROOF = { digest: new Uint8Array(32), signer: '0'.repeat(32) as PeerId, signature: new Uint8Array(64) };
const PIECES = 16;
/** More than the kernel takes for a remote that does not read. */
const LARGE_BYTES = 16 * MiB;
const SMALL_BYTES = 64 * KiB;

class Parent {
  readonly uploads = new Uploads(silentLogger, steadyClock);
  readonly identity = createIdentity();
  readonly #file = borrowFile();
  readonly plane: DataPlane;

  constructor(createHasher: () => PieceHasher) {
    this.plane = new DataPlane({
      identity: this.identity,
      logger: silentLogger,
      workers: 0,
      createHasher,
      // What is stalled is found quickly, and given up long after this test.
      limits: {
        maxLinks: 1024,
        maxLinksPerHost: 64,
        stalledAfterMs: 50,
        writeStallMs: 60_000,
        scarceStallMs: 60_000,
      },
      uploadRate: new ByteRate(),
      downloadRate: new ByteRate(),
      attach: (link) => this.#attach(link),
    });
    for (let piece = 0; piece < PIECES - 1; piece += 1) {
      writeSync(this.#file.fd, Buffer.alloc(SMALL_BYTES, piece), 0, SMALL_BYTES, piece * SMALL_BYTES);
    }
    ftruncateSync(this.#file.fd, PIECES * SMALL_BYTES + LARGE_BYTES);
  }

  #attach(link: DataLink) {
    const { peerId: peer } = link.remote;
    return {
      onMessage: (message: { kind: string; channel: number; piece?: number }) => {
        const { kind, channel, piece = 0 } = message;
        if (kind === 'open') link.send({ kind: 'opened', channel, bitfield: new Uint8Array(2) });
        if (kind !== 'request') return;
        const sizeBytes = piece === PIECES - 1 ? LARGE_BYTES : SMALL_BYTES;
        const place = { fd: this.#file.fd, offsetBytes: piece * SMALL_BYTES, release: () => undefined };
        const source = { sizeBytes, proof: PROOF, span: () => place, onDamage: () => undefined };
        const demand = { heldCount: 1, view: { rarity: () => 1, hasUnsent: () => false, usualMs: () => 0 } };
        this.uploads.ask({ ...demand, peer, channel, snapshot: SNAPSHOT, piece, sizeBytes, link, source });
      },
      onCall: async () => new Uint8Array(),
    };
  }

  async stop(): Promise<void> {
    await this.plane.stop();
    this.#file.release();
  }
}

/** A child that dialled the parent and has a channel. */
async function dial(port: number, downloadRate?: ByteRate) {
  const transport = new PeerTransport({
    identity: createIdentity(),
    ...(downloadRate && { downloadRate }),
  });
  const opened = Promise.withResolvers<void>();
  const attach = () => ({ onMessage: () => opened.resolve(), onCall: async () => new Uint8Array() });
  const link = await transport.dial({ host: '127.0.0.1', port, attach });
  const channel = link.open({ snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array() });
  await opened.promise;
  return { transport, link, channel };
}

test('of 50 children six take nothing, more than are served at once: the others get everything', async () => {
  const parent = new Parent((await loadPieceHash()).createHasher);
  const port = await parent.plane.listen('127.0.0.1', 0);
  const toNothing = new ByteRate();
  toNothing.set(1, nowNs());
  const stalled = await Promise.all(Array.from({ length: 6 }, () => dial(port, toNothing)));
  const others = await Promise.all(Array.from({ length: 44 }, () => dial(port)));
  let stalledEnded = 0;
  for (const { link, channel } of stalled) {
    const onEnd = (): void => {
      stalledEnded += 1;
    };
    const begun = new Promise<unknown>((onBegun) => {
      const request = { channel, piece: PIECES - 1, sizeBytes: LARGE_BYTES, onBegun };
      link.requestPiece(request).then(onEnd, onEnd);
    });
    await begun;
  }
  await Promise.all(
    others.map(async ({ link, channel }) => {
      for (let piece = 0; piece < PIECES - 1; piece += 1) {
        const received = await link.requestPiece({ channel, piece, sizeBytes: SMALL_BYTES });
        assert.equal(received.bytes[SMALL_BYTES - 1], piece);
        received.release();
      }
    }),
  );
  assert.equal(stalledEnded, 0, 'they were stalled all the time');
  assert.equal(parent.uploads.bytesSent, 44 * (PIECES - 1) * SMALL_BYTES);
  await parent.stop();
  await Promise.all([...stalled, ...others].map(({ transport }) => transport.stop()));
});
