// For the tests of this folder: two data planes that know each other, and files with pieces.

import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  createIdentity,
  type ErrorCode,
  type FileSpan,
  hasCode,
  type Identity,
  type PieceProof,
  type SnapshotId,
  silentLogger,
} from '../core/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import { ByteRate, type IncomingMessage, type LinkLimits, type PeerTls } from '../transport/index.ts';
import { type DataLink, DataPlane } from './index.ts';

const SNAPSHOT = 'ab'.repeat(32) as SnapshotId;
export const PIECES = 16;
export const NEVER: AbortSignal = new AbortController().signal;

/** One side: its plane, and what was said to it. */
export interface Side {
  readonly plane: DataPlane;
  readonly identity: Identity;
  readonly uploadRate: ByteRate;
  readonly links: DataLink[];
  /** Messages that came, with the link that they came on. */
  readonly heard: { readonly link: DataLink; readonly message: IncomingMessage }[];
  /** What is done with a message; by default nothing. */
  onMessage: (link: DataLink, message: IncomingMessage) => void;
  onCall: (method: string, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
}

export async function sideOf(
  context: TestContext,
  workers: number,
  limits: Partial<LinkLimits> = {},
  tls?: PeerTls,
): Promise<Side> {
  const identity = createIdentity();
  const { createHasher } = await loadPieceHash();
  const uploadRate = new ByteRate();
  const side: Side = {
    identity,
    uploadRate,
    links: [],
    heard: [],
    onMessage: () => undefined,
    onCall: async () => new Uint8Array(),
    plane: new DataPlane({
      identity,
      workers,
      createHasher,
      logger: silentLogger,
      tls,
      limits: { maxLinks: 100, maxLinksPerHost: 100, ...limits },
      uploadRate,
      downloadRate: new ByteRate(),
      attach: (link) => {
        side.links.push(link);
        return {
          onMessage: (message) => {
            side.heard.push({ link, message });
            side.onMessage(link, message);
          },
          onCall: (method, body, { signal }) => side.onCall(method, body, signal),
        };
      },
    }),
  };
  context.after(() => side.plane.stop());
  return side;
}

/** A link with a channel that is open at both ends, dialled by `child`. */
export async function join2(child: Side, parent: Side, port: number) {
  const address = { host: '127.0.0.1', port, expectedPeerId: parent.identity.id };
  const link = await child.plane.dial(address, NEVER);
  const opened = Promise.withResolvers<void>();
  parent.onMessage = (from, message) => {
    if (message.kind !== 'open') return;
    from.send({ kind: 'opened', channel: message.channel, bitfield: new Uint8Array(PIECES / 8) });
  };
  child.onMessage = (_from, message) => {
    if (message.kind === 'opened') opened.resolve();
  };
  const channel = link.open({ snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array() });
  await opened.promise;
  return { link, channel };
}

/** A file to write pieces to and read them from. */
export function pieceFile(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'anax-plane-'));
  const path = join(folder, 'pieces');
  const fd = openSync(path, 'wx+');
  context.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  const place = (offsetBytes: number): FileSpan => ({ fd, offsetBytes });
  return {
    path,
    fd,
    place,
    write: (bytes: Uint8Array, offsetBytes: number) => {
      assert.equal(writeSync(fd, bytes, 0, bytes.length, offsetBytes), bytes.length);
    },
    read: (sizeBytes: number, offsetBytes: number) => {
      const bytes = Buffer.alloc(sizeBytes);
      return bytes.subarray(0, readSync(fd, bytes, 0, sizeBytes, offsetBytes));
    },
  };
}

export async function proofOf(bytes: Uint8Array): Promise<PieceProof> {
  const { hash } = await loadPieceHash();
  const { id: signer } = createIdentity();
  return { digest: new Uint8Array(hash(bytes)), signer, signature: new Uint8Array(64).fill(7) };
}

/** Whether an error has this code. */
export const isError =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    hasCode(error, code);
