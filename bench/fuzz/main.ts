// `npm run fuzz`: conversations between a real transport and a peer whose words are damaged on the way, both ways round,
// for as long as asked. Found are: a crash, a promise that nobody caught, a link that does not end or ends by a bug, a
// buffer or a link that is not given back, memory that grows. Each round can be run again by its seed.

import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { createIdentity, MiB } from '../../src/core/index.ts';
import { BufferPool } from '../../src/transport/buffer-pool.ts';
import { type LinkEnd, type LinkHandlers, type PeerLink, PeerTransport } from '../../src/transport/index.ts';
import { countOf, readFlags } from '../kit/options.ts';
import { Chance } from './chance.ts';
import { HostilePeer } from './hostile-peer.ts';
import { own } from './owner.ts';

const HELP = `npm run fuzz -- [options]

Damaged conversations with the transport. Ends with 1 and the seed of the round where something was found.

  --seconds <n>   how long (default 60)
  --seed <n>      of the first round; the others follow (default: drawn)
  --at-once <n>   rounds at the same time (default 16)
`;

const HOST = '127.0.0.1';
const ROUND_MS = 20_000;
/** The heap after garbage collection may grow by this much after the first tenth of the time. */
const MAX_GROWTH_BYTES = 24 * MiB;

const limits = {
  helloTimeoutMs: 500,
  pingAfterMs: 200,
  deadAfterMs: 1500,
  stalledAfterMs: 100,
  writeStallMs: 1000,
  writeTimeoutMs: 2000,
  pieceStallMs: 1000,
  scarceStallMs: 500,
  lingerMs: 200,
  maxControlBytes: 256 * 1024,
  maxChannels: 8,
  maxRequests: 8,
  maxLinksPerHost: 1024,
};

const text = { type: 'string' } as const;
const options = readFlags(
  HELP,
  {
    seconds: { ...text, default: '60' },
    seed: { ...text, default: String(Date.now() % 1_000_000_000) },
    'at-once': { ...text, default: '16' },
  },
  (values) => ({
    seconds: countOf(values, 'seconds', { min: 1, max: 86_400 }),
    seed: countOf(values, 'seed', { min: 0, max: 2_000_000_000 }),
    atOnce: countOf(values, 'at-once', { min: 1, max: 64 }),
  }),
);

const receivePool = new BufferPool(32 * MiB);
const sendPool = new BufferPool(16 * MiB);
const ends = new Map<string, number>();
const running = new Set<number>();
let rounds = 0;

function found(what: string, error?: unknown): never {
  process.stderr.write(`fuzz: ${what}\nrounds under way had the seeds ${[...running].join(', ')}\n`);
  if (error !== undefined) process.stderr.write(`${inspect(error)}\n`);
  process.exit(1);
}

process.on('uncaughtException', (error) => found('an uncaught exception', error));
process.on('unhandledRejection', (error) => found('an unhandled rejection', error));

/** One conversation, with the transport as the side that accepts or as the one that dials. */
async function round(seed: number): Promise<void> {
  const chance = new Chance(seed);
  const transport = new PeerTransport({
    identity: createIdentity(),
    limits,
    receivePool,
    sendPool,
    acceptedReads: chance.of(['onread', 'data']),
  });
  const links: { link: PeerLink; done: Promise<void> }[] = [];
  const attach = (link: PeerLink): LinkHandlers => {
    const { handlers, done } = own(link, new Chance(seed + 1));
    links.push({ link, done });
    return handlers;
  };
  if (chance.often(0.6)) await meetAsAcceptor(transport, attach, chance);
  else await meetAsDialer(transport, attach, chance);
  for (const { link, done } of links) {
    noteEnd(await link.closed);
    await done;
  }
  await transport.stop();
  if (transport.linkCount !== 0) found(`${transport.linkCount} links are left`);
}

type Attach = (link: PeerLink) => LinkHandlers;

async function meetAsAcceptor(transport: PeerTransport, attach: Attach, chance: Chance): Promise<void> {
  const { port } = await transport.listen({ host: HOST, port: 0, attach });
  const socket = net.connect({ host: HOST, port });
  const closed = once(socket, 'close').catch(() => undefined);
  await new HostilePeer(socket, 'dialer', chance).run();
  socket.resume();
  await closed;
}

async function meetAsDialer(transport: PeerTransport, attach: Attach, chance: Chance): Promise<void> {
  const closed = Promise.withResolvers<void>();
  const server = net.createServer((socket) => {
    socket.once('close', () => closed.resolve());
    void new HostilePeer(socket, 'acceptor', chance).run().then(() => socket.resume());
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  await transport.dial({ host: HOST, port, attach }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (error.code === 'internal') found('a dial failed by a bug', error);
  });
  await closed.promise;
  server.close();
}

function noteEnd({ by, code, error }: LinkEnd): void {
  if (code === 'internal' && by === 'local') found('a link ended by a bug', error);
  const key = `${by} ${code}`;
  ends.set(key, (ends.get(key) ?? 0) + 1);
}

async function worker(nextSeed: () => number | undefined): Promise<void> {
  for (let seed = nextSeed(); seed !== undefined; seed = nextSeed()) {
    running.add(seed);
    const tooLate = setTimeout(() => found('a round does not end'), ROUND_MS);
    await round(seed);
    clearTimeout(tooLate);
    running.delete(seed);
    rounds += 1;
  }
}

/** After all rounds: everything was given back. */
async function settle(): Promise<number> {
  await sleep(500);
  if (receivePool.leasedBytes + sendPool.leasedBytes > 0) found('a buffer was not given back');
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

async function stretch(seconds: number, firstSeed: number): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let seed = firstSeed;
  const nextSeed = (): number | undefined => {
    seed += 2;
    return performance.now() < until ? seed : undefined;
  };
  await Promise.all(Array.from({ length: options.atOnce }, () => worker(nextSeed)));
  return seed;
}

process.stdout.write(`fuzz: ${options.seconds} s from seed ${options.seed}\n`);
const seed = await stretch(options.seconds / 10, options.seed);
const heapBefore = await settle();
await stretch((options.seconds * 9) / 10, seed);
const grown = (await settle()) - heapBefore;
const rss = Math.round(process.memoryUsage().rss / MiB);
for (const [end, count] of [...ends].toSorted((a, b) => b[1] - a[1])) {
  process.stdout.write(`${String(count).padStart(8)}  ended by ${end}\n`);
}
process.stdout.write(
  `fuzz: ${rounds} rounds, nothing found; heap ${(grown / MiB).toFixed(1)} MiB more than after a tenth of them, ${rss} MiB resident\n`,
);
if (grown > MAX_GROWTH_BYTES) found(`the heap grew by ${Math.round(grown / MiB)} MiB`);
