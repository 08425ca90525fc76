// Many children in one process: each has a transport of its own, dials the parent and takes pieces.

import { createIdentity } from '../../src/core/index.ts';
import { ByteRate, nowNs, type PeerLink, PeerTls, PeerTransport } from '../../src/transport/index.ts';
import {
  type ChildrenOrder,
  type ChildrenReport,
  FIRST_LARGE_PIECE,
  LARGE_PIECE_BYTES,
  PIECES,
  SNAPSHOT,
} from './protocol.ts';

const IN_FLIGHT = 5;

function report(message: ChildrenReport): void {
  process.send?.(message);
}

process.once('message', (order: ChildrenOrder) => void run(order));

async function run(order: ChildrenOrder): Promise<void> {
  const tls = order.tls && (await PeerTls.load(order.tls));
  const pieceMs: number[] = [];
  const toNothing = new ByteRate();
  toNothing.set(1, nowNs());
  const stalled = await dialAll(order, order.stalled, tls, toNothing);
  const others = await dialAll(order, order.count - order.stalled, tls);
  report({ kind: 'linked' });
  if (order.pieces === 0) return;
  for (const { link, channel } of stalled) {
    for (let at = 0; at < IN_FLIGHT; at += 1) {
      const piece = FIRST_LARGE_PIECE + at;
      link.requestPiece({ channel, piece, sizeBytes: LARGE_PIECE_BYTES }).catch(() => undefined);
    }
  }
  // They have begun to take, and stopped.
  if (stalled.length > 0) await new Promise((resolve) => setTimeout(resolve, 500));
  const begunAt = performance.now();
  await Promise.all(others.map((child) => takeAll(child, order, pieceMs)));
  report({ kind: 'done', seconds: (performance.now() - begunAt) / 1000, pieceMs });
}

interface Child {
  readonly link: PeerLink;
  readonly channel: number;
}

async function dialAll(
  { port }: ChildrenOrder,
  count: number,
  tls: PeerTls | undefined,
  downloadRate?: ByteRate,
): Promise<Child[]> {
  const children: Child[] = [];
  for (let at = 0; at < count; at += 1) {
    const transport = new PeerTransport({
      identity: createIdentity(),
      ...(downloadRate && { downloadRate }),
      ...(tls && { tls }),
    });
    const opened = Promise.withResolvers<void>();
    const onMessage = ({ kind }: { kind: string }): void => {
      if (kind === 'opened') opened.resolve();
    };
    const attach = () => ({ onMessage, onCall: async () => new Uint8Array() });
    const link = await transport.dial({ host: '127.0.0.1', port, attach });
    const channel = link.open({ snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array() });
    await opened.promise;
    children.push({ link, channel });
  }
  return children;
}

async function takeAll({ link, channel }: Child, order: ChildrenOrder, pieceMs: number[]): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < order.pieces) {
      const piece = next;
      next += 1;
      const askedAt = performance.now();
      const received = await link.requestPiece({ channel, piece, sizeBytes: order.sizeBytes });
      received.release();
      pieceMs.push(performance.now() - askedAt);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}
