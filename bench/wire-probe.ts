// How fast one link carries pieces between two processes over loopback, and what it costs each side.
//   node bench/wire-probe.ts [GiB] [piece MiB] [onread|data] [taker: dialer|acceptor]

import { fork } from 'node:child_process';
import { createIdentity, GiB, MiB, type PieceProof, type SnapshotId } from '../src/core/index.ts';
import { type AcceptedReads, type PeerLink, PeerTransport } from '../src/transport/index.ts';

const SNAPSHOT = '0'.repeat(64) as SnapshotId;
const PIECES = 1024;
const IN_FLIGHT = 8;

const [gib = '4', pieceMiB = '4', reads = 'onread', taker = 'dialer', port = ''] = process.argv.slice(2);
const sizeBytes = Number(pieceMiB) * MiB;
const total = Math.round((Number(gib) * GiB) / sizeBytes);

const identity = createIdentity();
const proof: PieceProof = { digest: new Uint8Array(32), signer: identity.id, signature: new Uint8Array(64) };
const transport = new PeerTransport({ identity, acceptedReads: reads as AcceptedReads });
const source = Buffer.alloc(sizeBytes, 7);

async function give(link: PeerLink, channel: number, piece: number): Promise<void> {
  await link.sendPiece({
    channel,
    piece,
    sizeBytes,
    proof,
    read: async (offset, target) => void source.copy(target, 0, offset, offset + target.length),
  });
}

function report(side: string, begun: NodeJS.CpuUsage, seconds?: number): void {
  const { user, system } = process.cpuUsage(begun);
  const moved = (total * sizeBytes) / GiB;
  const speed = seconds === undefined ? '' : `${(moved / seconds).toFixed(2)} GiB/s, `;
  const cpu = ((user + system) / 1e6 / moved).toFixed(3);
  const rss = Math.round(process.memoryUsage().rss / MiB);
  console.log(`${side}: ${speed}${cpu} CPU-s/GiB, ${rss} MiB resident`);
}

async function take(link: PeerLink, channel: number): Promise<void> {
  const begun = process.cpuUsage();
  const beganAt = performance.now();
  let next = 0;
  const one = async () => {
    while (next < total) {
      const piece = next % PIECES;
      next += 1;
      const received = await link.requestPiece({ channel, piece, sizeBytes });
      received.release();
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  report('takes', begun, (performance.now() - beganAt) / 1000);
  await link.close();
  await transport.stop();
}

/** The taker opens the channel and asks; the giver answers. */
function attach(role: 'taker' | 'giver') {
  return (link: PeerLink) => {
    const begun = process.cpuUsage();
    void link.closed.then(async () => {
      if (role === 'giver') report('gives', begun);
      await transport.stop();
      if (process.connected) process.disconnect();
    });
    if (role === 'taker') {
      setImmediate(() => link.open({ snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array() }));
    }
    return {
      onMessage: (message: { kind: string; channel: number; piece?: number }) => {
        const { kind, channel, piece = 0 } = message;
        if (kind === 'open') {
          link.send({ kind: 'opened', channel, bitfield: new Uint8Array(PIECES / 8).fill(255) });
        } else if (kind === 'opened') void take(link, channel);
        else if (kind === 'request') void give(link, channel, piece);
      },
      onCall: async () => new Uint8Array(),
    };
  };
}

if (port === '') {
  const accepts = taker === 'acceptor' ? 'taker' : 'giver';
  const listener = await transport.listen({ host: '127.0.0.1', port: 0, attach: attach(accepts) });
  fork(import.meta.filename, [gib, pieceMiB, reads, taker, String(listener.port)]);
} else {
  const dials = taker === 'acceptor' ? 'giver' : 'taker';
  await transport.dial({ host: '127.0.0.1', port: Number(port), attach: attach(dials) });
}
