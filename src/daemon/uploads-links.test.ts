// Serving over real links: children that take nothing among many that do.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity, KiB, MiB, type PeerId, type SnapshotId, silentLogger } from '../core/index.ts';
import { type PeerLink, PeerTransport, RateLimiter } from '../transport/index.ts';
import { Uploads } from './uploads.ts';

const SNAPSHOT = 'ab'.repeat(32) as SnapshotId;
const PROOF = { digest: new Uint8Array(32), signer: '0'.repeat(32) as PeerId, signature: new Uint8Array(64) };
const PIECES = 16;
/** More than the kernel takes for a remote that does not read. */
const LARGE_BYTES = 16 * MiB;
const SMALL_BYTES = 64 * KiB;

class Parent {
  readonly uploads = new Uploads(silentLogger);
  readonly transport = new PeerTransport({
    identity: createIdentity(),
    // What is stalled is found quickly, and given up long after this test.
    limits: { maxLinksPerHost: 64, stalledAfterMs: 50, writeStallMs: 60_000, scarceStallMs: 60_000 },
  });

  async listen(): Promise<number> {
    const attach = (link: PeerLink) => this.#attach(link);
    return (await this.transport.listen({ host: '127.0.0.1', port: 0, attach })).port;
  }

  #attach(link: PeerLink) {
    const { peerId: peer } = link.remote;
    return {
      onMessage: (message: { kind: string; channel: number; piece?: number }) => {
        const { kind, channel, piece = 0 } = message;
        if (kind === 'open') link.send({ kind: 'opened', channel, bitfield: new Uint8Array(2) });
        if (kind !== 'request') return;
        const sizeBytes = piece === PIECES - 1 ? LARGE_BYTES : SMALL_BYTES;
        const read = async (_offset: number, target: Uint8Array): Promise<void> => void target.fill(piece);
        const source = { sizeBytes, proof: PROOF, read };
        const demand = { heldCount: 0, copies: () => 1 };
        this.uploads.ask({ ...demand, peer, channel, snapshot: SNAPSHOT, piece, sizeBytes, link, source });
      },
      onCall: async () => new Uint8Array(),
    };
  }
}

/** A child that dialled the parent and has a channel. */
async function dial(port: number, limiter?: RateLimiter) {
  const transport = new PeerTransport({
    identity: createIdentity(),
    ...(limiter && { downloadLimiter: limiter }),
  });
  const opened = Promise.withResolvers<void>();
  const attach = () => ({ onMessage: () => opened.resolve(), onCall: async () => new Uint8Array() });
  const link = await transport.dial({ host: '127.0.0.1', port, attach });
  const channel = link.open({ snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array() });
  await opened.promise;
  return { transport, link, channel };
}

test('of 50 children six take nothing, more than are served at once: the others get everything', async () => {
  const parent = new Parent();
  const port = await parent.listen();
  const toNothing = new RateLimiter(1, performance.now());
  const stalled = await Promise.all(Array.from({ length: 6 }, () => dial(port, toNothing)));
  const others = await Promise.all(Array.from({ length: 44 }, () => dial(port)));
  let stalledEnded = 0;
  for (const { link, channel } of stalled) {
    const onEnd = (): void => {
      stalledEnded += 1;
    };
    const begun = new Promise<void>((onBegun) => {
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
  await parent.transport.stop();
  await Promise.all([...stalled, ...others].map(({ transport }) => transport.stop()));
});
