// How fast one link carries pieces between two processes over loopback, and what it costs each side: the transport
// alone, without a store. `node bench/wire-probe.ts --help`.

import { fork } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, GiB, MiB, type PieceProof, type SnapshotId } from '../src/core/index.ts';
import { loadPieceHash } from '../src/hashing/index.ts';
import { makeTestCertificate, writeCertificate } from '../src/testing/certificates/index.ts';
import {
  type AcceptedReads,
  type PeerLink,
  PeerTls,
  PeerTransport,
  type PieceToSend,
} from '../src/transport/index.ts';
import { readFlags, sizeOf, textOf } from './kit/options.ts';

const HELP = `node bench/wire-probe.ts [options]

  --size <size>     bytes to move (default 4GiB)
  --piece <size>    bytes of a piece, at most 16MiB (default 4MiB)
  --taker <side>    which side takes: dialer or acceptor (default dialer)
  --reads <how>     how accepted sockets are read: onread or data (default onread)
  --source <what>   where pieces come from: memory (a copy) or span (a file) (default memory)
  --tls             over TLS
  --hash <when>     never, arriving (while it comes) or whole (when it is there) (default never)
`;

const SNAPSHOT = '0'.repeat(64) as SnapshotId;
const PIECES = 1024;
const IN_FLIGHT = 8;

const text = { type: 'string' } as const;
const options = readFlags(
  HELP,
  {
    size: { ...text, default: '4GiB' },
    piece: { ...text, default: '4MiB' },
    taker: { ...text, default: 'dialer' },
    reads: { ...text, default: 'onread' },
    source: { ...text, default: 'memory' },
    hash: { ...text, default: 'never' },
    tls: { type: 'boolean', default: false },
    port: text,
    certificates: text,
  },
  (values) => ({
    totalBytes: sizeOf(values, 'size'),
    sizeBytes: sizeOf(values, 'piece'),
    taker: textOf(values, 'taker'),
    reads: textOf(values, 'reads'),
    source: textOf(values, 'source'),
    hash: textOf(values, 'hash'),
    port: textOf(values, 'port'),
    tls: values['tls'] === true,
    certificates: textOf(values, 'certificates'),
  }),
);
const { sizeBytes } = options;
const total = Math.round(options.totalBytes / sizeBytes);

const identity = createIdentity();
const proof: PieceProof = { digest: new Uint8Array(32), signer: identity.id, signature: new Uint8Array(64) };
const { hash, createHasher } = await loadPieceHash();
const certificates = options.certificates ?? (await mkdtemp(join(tmpdir(), 'anax-probe-')));
const tls = options.tls ? await loadTls(certificates) : undefined;
const transport = new PeerTransport({
  ...(tls && { tls }),
  identity,
  acceptedReads: options.reads as AcceptedReads,
  ...(options.hash === 'arriving' && { createHasher }),
});
const bytes = Buffer.alloc(sizeBytes, 7);
const path = join(tmpdir(), `anax-probe-${process.pid}`);
const file = options.source === 'span' ? await open(path, 'wx+') : undefined;
await file?.write(bytes);
await rm(path, { force: true });

/** Both processes use what the first one made. */
async function loadTls(folder: string): Promise<PeerTls> {
  const names = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), ca: join(folder, 'ca.crt') };
  if (options.certificates !== undefined) return await PeerTls.load(names);
  const ca = makeTestCertificate({ name: 'probe' });
  return await PeerTls.load(await writeCertificate(folder, makeTestCertificate({ issuer: ca }), ca));
}

async function give(link: PeerLink, channel: number, piece: number): Promise<void> {
  const common = { channel, piece, sizeBytes, proof };
  const item: PieceToSend = file
    ? { ...common, span: { fd: file.fd, offsetBytes: 0 } }
    : {
        ...common,
        read: async (offset, target) => void bytes.copy(target, 0, offset, offset + target.length),
      };
  await link.sendPiece(item);
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
      if (options.hash === 'whole') hash(received.bytes);
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
      await file?.close();
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

if (options.port === undefined) {
  const accepts = options.taker === 'acceptor' ? 'taker' : 'giver';
  const listener = await transport.listen({ host: '127.0.0.1', port: 0, attach: attach(accepts) });
  const more = ['--port', String(listener.port), '--certificates', certificates];
  fork(import.meta.filename, [...process.argv.slice(2), ...more]).once('exit', () => {
    void rm(certificates, { recursive: true });
  });
} else {
  const dials = options.taker === 'acceptor' ? 'giver' : 'taker';
  await transport.dial({ host: '127.0.0.1', port: Number(options.port), attach: attach(dials) });
}
