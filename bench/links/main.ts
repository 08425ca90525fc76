// `npm run bench:links`: what links cost that do nothing, and what children that take nothing cost the others.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createIdentity, MiB, silentLogger } from '../../src/core/index.ts';
import { Uploads } from '../../src/daemon/uploads.ts';
import { type DataLink, DataPlane } from '../../src/dataplane/index.ts';
import { loadPieceHash } from '../../src/hashing/index.ts';
import { steadyClock } from '../../src/system/index.ts';
import { makeTestCertificate, writeCertificate } from '../../src/testing/certificates/index.ts';
import { ByteRate, PeerTls, type TlsFiles } from '../../src/transport/index.ts';
import { rounded, spreadOf, spreadText, tableText } from '../kit/figures.ts';
import { countOf, readFlags, sizeOf } from '../kit/options.ts';
import { createWorkspace, describeMachine } from '../kit/workspace.ts';
import {
  type ChildrenOrder,
  type ChildrenReport,
  FIRST_LARGE_PIECE,
  LARGE_PIECE_BYTES,
  PIECES,
  proof,
  SNAPSHOT,
} from './protocol.ts';

const HELP = `npm run bench:links -- [options]

The memory of idle links in one process, and the time that children wait for pieces while others take nothing.

  --links <n>      idle links (default 500)
  --children <n>   children that are served, those that stall included (default 50)
  --stalled <n>    of them, how many stall (default 1)
  --pieces <n>     pieces for each of the others (default 32)
  --piece <size>   bytes of a piece (default 1MiB)
  --runs <n>       of both, in turns (default 3)
  --json           ends with one JSON object on a line
`;

const { createHasher } = await loadPieceHash();
const CHILDREN = join(import.meta.dirname, 'children.ts');
const SETTLE_MS = 1000;

const text = { type: 'string' } as const;
const options = readFlags(
  HELP,
  {
    links: { ...text, default: '500' },
    children: { ...text, default: '50' },
    stalled: { ...text, default: '1' },
    pieces: { ...text, default: '32' },
    piece: { ...text, default: '1MiB' },
    runs: { ...text, default: '3' },
    json: { type: 'boolean', default: false },
  },
  (values) => ({
    links: countOf(values, 'links', { min: 1, max: 1000 }),
    children: countOf(values, 'children', { min: 2, max: 250 }),
    stalled: countOf(values, 'stalled', { min: 1, max: 200 }),
    pieces: countOf(values, 'pieces', { min: 1, max: FIRST_LARGE_PIECE }),
    runs: countOf(values, 'runs', { min: 1, max: 99 }),
    sizeBytes: sizeOf(values, 'piece'),
    json: values['json'] === true,
  }),
);

interface Served {
  readonly seconds: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** A parent that serves as a daemon does, and its children in another process. */
class Scene {
  readonly #plane: DataPlane;
  readonly #uploads = new Uploads(silentLogger, steadyClock);
  readonly #child: ChildProcess = fork(CHILDREN);
  readonly #tls: PeerTls | undefined;
  /** A file of any size. */
  readonly #zeros = openSync('/dev/zero', 'r');

  constructor(tls: PeerTls | undefined) {
    this.#tls = tls;
    this.#plane = new DataPlane({
      identity: createIdentity(),
      logger: silentLogger,
      workers: 0,
      createHasher,
      limits: { maxLinks: 1024, maxLinksPerHost: 1024 },
      uploadRate: new ByteRate(),
      downloadRate: new ByteRate(),
      attach: (link) => this.#attach(link),
      tls,
    });
  }

  async begin(order: Omit<ChildrenOrder, 'port'>): Promise<void> {
    const port = await this.#plane.listen('127.0.0.1', 0);
    this.#child.send({ ...order, port } satisfies ChildrenOrder);
    await this.#report('linked');
  }

  async served(): Promise<Served> {
    const report = await this.#report('done');
    if (report.kind !== 'done') throw new Error('the children are done');
    const sorted = report.pieceMs.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
    return { seconds: report.seconds, medianMs: at(0.5), p99Ms: at(0.99) };
  }

  async #report(kind: ChildrenReport['kind']): Promise<ChildrenReport> {
    for (;;) {
      const [report] = (await once(this.#child, 'message')) as [ChildrenReport];
      if (report.kind === kind) return report;
    }
  }

  #attach(link: DataLink) {
    const { peerId: peer } = link.remote;
    const span = () => ({ fd: this.#zeros, offsetBytes: 0, release: () => undefined });
    return {
      onMessage: (message: { kind: string; channel: number; piece?: number }) => {
        const { kind, channel, piece = 0 } = message;
        if (kind === 'open') {
          link.send({ kind: 'opened', channel, bitfield: new Uint8Array(PIECES / 8).fill(255) });
        } else if (kind === 'request') {
          const sizeBytes = piece < FIRST_LARGE_PIECE ? options.sizeBytes : LARGE_PIECE_BYTES;
          const source = { sizeBytes, proof, span, onDamage: () => undefined };
          const demand = {
            heldCount: 1,
            view: { rarity: () => 1, hasUnsent: () => false, usualMs: () => 0 },
          };
          this.#uploads.ask({ ...demand, peer, channel, snapshot: SNAPSHOT, piece, sizeBytes, link, source });
        }
      },
      onCall: async () => new Uint8Array(),
    };
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill();
    await Promise.all([gone, this.#plane.stop()]);
    closeSync(this.#zeros);
    this.#tls?.stop();
  }
}

/** MiB that a process has more with these links than without. */
async function idleMiB(count: number, files: TlsFiles | undefined): Promise<number> {
  const scene = new Scene(files && (await PeerTls.load(files)));
  try {
    const before = await residentMiB();
    await scene.begin({ count, stalled: 0, pieces: 0, sizeBytes: options.sizeBytes, tls: files });
    return (await residentMiB()) - before;
  } finally {
    await scene.stop();
  }
}

async function residentMiB(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  globalThis.gc?.();
  return process.memoryUsage().rss / MiB;
}

async function serve(stalled: number): Promise<Served> {
  const scene = new Scene(undefined);
  try {
    const { pieces, sizeBytes, children } = options;
    // As many children are served either way.
    const count = children - options.stalled + stalled;
    await scene.begin({ count, stalled, pieces, sizeBytes, tls: undefined });
    return await scene.served();
  } finally {
    await scene.stop();
  }
}

process.stderr.write(`bench: ${describeMachine()}\n`);
const workspace = await createWorkspace(undefined);
try {
  const ca = makeTestCertificate({ name: 'bench' });
  const files = await writeCertificate(workspace.folder, makeTestCertificate({ issuer: ca }), ca);
  const idle = { plain: await idleMiB(options.links, undefined), tls: await idleMiB(options.links, files) };
  // Once for nothing: code is compiled and memory touched for the first time.
  await serve(0);
  const alone: Served[] = [];
  const beside: Served[] = [];
  for (let run = 0; run < options.runs; run += 1) {
    alone.push(await serve(0));
    beside.push(await serve(options.stalled));
  }
  const median = (runs: readonly Served[], field: keyof Served): number =>
    spreadOf(runs.map((run) => run[field])).median;
  const row = (name: string, runs: readonly Served[]): string[] => [
    name,
    spreadText(spreadOf(runs.map(({ seconds }) => seconds)), 2),
    spreadText(spreadOf(runs.map(({ medianMs }) => medianMs)), 0),
    spreadText(spreadOf(runs.map(({ p99Ms }) => p99Ms)), 0),
  ];
  const { links, children, stalled, json } = options;
  process.stdout.write(
    `${links} idle links: ${idle.plain.toFixed(1)} MiB plain, ${idle.tls.toFixed(1)} MiB with TLS\n` +
      `${tableText([
        [`${children - stalled} children`, 'seconds', 'piece, median ms', 'p99 ms'],
        row('alone', alone),
        row(`beside ${stalled} that take nothing`, beside),
      ])}\n`,
  );
  const figures = {
    idleLinks: links,
    idleMiB: rounded(idle.plain, 1),
    idleTlsMiB: rounded(idle.tls, 1),
    children: children - stalled,
    stalled,
    aloneSeconds: rounded(median(alone, 'seconds')),
    besideStalledSeconds: rounded(median(beside, 'seconds')),
    aloneP99Ms: rounded(median(alone, 'p99Ms'), 1),
    besideStalledP99Ms: rounded(median(beside, 'p99Ms'), 1),
  };
  if (json) process.stdout.write(`${JSON.stringify(figures)}\n`);
} finally {
  await workspace.remove();
}
