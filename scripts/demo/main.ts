// `npm run demo`: the main job for real. A model leaves an origin once and arrives, verified, at every peer.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogUpdate } from 'log-update';
import { connectControl } from '../../src/rpc/index.ts';
import {
  type Cluster,
  type DaemonNode,
  type DfgetLine,
  type DfgetResult,
  type DfgetRun,
  type Emulator,
  inTurns,
  startCluster,
  startDfget,
  startEmulator,
  wrongFiles,
} from '../../src/testing/cluster/index.ts';
import { type DemoOptions, readDemoOptions } from './options.ts';
import { type PeerView, renderPicture } from './picture.ts';
import { type DemoReport, reportTable } from './report.ts';

const REPO = 'anax/demo-model';
const PICTURE_MS = 200;

/** The origin that the demo reads: the emulator, or a real hub, whose traffic the seed counts. */
interface Origin {
  readonly url: string;
  readonly daemonArgs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  measure(): Promise<{ bytes: number; requests: number }>;
  stop(): Promise<void>;
}

const options = readDemoOptions(process.argv.slice(2));
const folder = await mkdtemp(join(tmpdir(), 'anax-demo-'));
const running = new Set<DfgetRun>();
const cleanUps: (() => Promise<void>)[] = [];
process.once('SIGINT', () => void interrupted());

async function interrupted(): Promise<void> {
  for (const run of running) run.child.kill('SIGKILL');
  await cleanUp();
  process.exit(130);
}

async function cleanUp(): Promise<void> {
  for (const stop of cleanUps.splice(0).reverse()) await stop().catch(() => undefined);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

try {
  const report = await runDemo(options);
  if (!options.json) process.stdout.write(`\n${reportTable(report)}\n`);
  else process.stdout.write(`${JSON.stringify(report)}\n`);
  process.exitCode = report.verified && report.completed === report.peers ? 0 : 1;
} finally {
  await cleanUp();
  if (options.keep) say(`kept: ${folder}`);
  else await rm(folder, { recursive: true, force: true });
}

async function runDemo(demo: DemoOptions): Promise<DemoReport> {
  const origin = demo.url === undefined ? await startOrigin(demo) : realOrigin(demo.url);
  cleanUps.push(() => origin.stop());
  say(`starting a scheduler, a seed and ${demo.peers} peers …`);
  const cluster = await startCluster({
    folder,
    peers: demo.peers,
    daemonArgs: origin.daemonArgs,
    env: origin.env,
  });
  cleanUps.push(() => cluster.stop());
  say(`downloading ${origin.url} to ${demo.peers} peers`);
  const results = await downloadEverywhere(cluster, origin, demo);
  return makeReport(cluster, results, origin);
}

async function startOrigin(demo: DemoOptions): Promise<Origin> {
  const isHf = demo.source === 'hf';
  say(`making a model and a ${isHf ? 'Hugging Face' : 'ModelScope'} hub …`);
  const emulator = await startEmulator({
    kind: isHf ? 'huggingface' : 'modelscope',
    options: demo.originRate === undefined ? {} : { bandwidth: { totalBytesPerSecond: demo.originRate } },
    repos: [{ id: REPO, model: { sizeBytes: demo.sizeBytes, shards: 4, seed: 'demo' } }],
  });
  return {
    url: `${isHf ? 'hf' : 'modelscope'}://${REPO}`,
    daemonArgs: [isHf ? '--hf-endpoint' : '--modelscope-endpoint', emulator.url],
    env: { [isHf ? 'HF_ENDPOINT' : 'MODELSCOPE_ENDPOINT']: emulator.url },
    measure: () => measureEmulator(emulator),
    stop: () => emulator.stop(),
  };
}

async function measureEmulator(emulator: Emulator): Promise<{ bytes: number; requests: number }> {
  const { contentBytesSent, requests } = await emulator.stats();
  return { bytes: contentBytesSent, requests };
}

function realOrigin(url: string): Origin {
  const names = [
    'HF_ENDPOINT',
    'HF_TOKEN',
    'MODELSCOPE_ENDPOINT',
    'MODELSCOPE_API_TOKEN',
    'HTTPS_PROXY',
    'NO_PROXY',
  ];
  const env = names.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    url,
    daemonArgs: [],
    env: Object.fromEntries(env),
    measure: async () => ({ bytes: 0, requests: 0 }),
    stop: async () => undefined,
  };
}

async function downloadEverywhere(
  cluster: Cluster,
  origin: Origin,
  demo: DemoOptions,
): Promise<DfgetResult[]> {
  const views = cluster.peers.map((peer) => emptyView(peer.name));
  const show = startPicture(views, origin, demo.json);
  const runs = cluster.peers.map((peer, at) => downloadTo(peer, origin, views[at] ?? emptyView(peer.name)));
  const results = await Promise.all(runs);
  await show.stop();
  return results;
}

function emptyView(name: string): PeerView {
  return {
    name,
    totalBytes: 0,
    bytesDone: 0,
    bytesFromPeers: 0,
    neighbours: 0,
    seconds: undefined,
    failed: false,
  };
}

async function downloadTo(peer: DaemonNode, origin: Origin, view: PeerView): Promise<DfgetResult> {
  const args = [origin.url, '-O', peer.output, '--endpoint', peer.socket];
  const run = startDfget(args, { env: origin.env, onLine: (line) => updateView(view, line) });
  running.add(run);
  const result = await run.result;
  running.delete(run);
  view.seconds = result.seconds;
  view.failed = result.exitCode !== 0;
  if (view.failed) say(`${peer.name}: dfget ended with ${result.exitCode}\n${result.stderr}`);
  else view.bytesDone = view.totalBytes;
  return result;
}

function updateView(view: PeerView, line: DfgetLine): void {
  if (line.kind === 'resolved') view.totalBytes = line.totalBytes;
  if (line.kind !== 'progress') return;
  view.bytesDone = line.bytesDone;
  view.bytesFromPeers = line.bytesFromPeers;
  view.neighbours = line.peers;
}

function startPicture(views: readonly PeerView[], origin: Origin, json: boolean): { stop(): Promise<void> } {
  if (json || !process.stderr.isTTY) return { stop: async () => undefined };
  const log = createLogUpdate(process.stderr);
  const startedMs = performance.now();
  let originBytes = 0;
  const draw = async (): Promise<void> => {
    originBytes = await origin.measure().then(
      ({ bytes }) => bytes,
      () => originBytes,
    );
    log(renderPicture(views, originBytes, (performance.now() - startedMs) / 1000));
  };
  const timer = setInterval(() => void draw(), PICTURE_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await draw();
      log.done();
    },
  };
}

async function makeReport(
  cluster: Cluster,
  results: readonly DfgetResult[],
  origin: Origin,
): Promise<DemoReport> {
  const measured = options.url === undefined ? await origin.measure() : await countedByDaemons(cluster);
  const [listed] = results.flatMap(({ lines }) => lines.find((line) => line.kind === 'resolved') ?? []);
  const files = listed?.files ?? [];
  const contentBytes = listed?.totalBytes ?? 0;
  say('checking every file of every peer …');
  const wrong: string[] = [];
  await inTurns(cluster.peers, 2, async (peer) => {
    for (const path of await wrongFiles(peer.output, files)) wrong.push(`${peer.name}: ${path}`);
  });
  for (const place of wrong) say(`wrong content: ${place}`);
  const seconds = results.map((result) => result.seconds);
  return {
    peers: cluster.peers.length,
    completed: results.filter(({ exitCode }) => exitCode === 0).length,
    files: files.length,
    contentBytes,
    originBytes: measured.bytes,
    originRequests: measured.requests,
    originRatio: contentBytes === 0 ? 0 : Number((measured.bytes / contentBytes).toFixed(4)),
    firstPeerSeconds: Number(Math.min(...seconds).toFixed(3)),
    lastPeerSeconds: Number(Math.max(...seconds).toFixed(3)),
    verified: files.length > 0 && wrong.length === 0,
  };
}

/** Without an emulator that counts: what the daemons say that they read. */
async function countedByDaemons({ seeds, peers }: Cluster): Promise<{ bytes: number; requests: number }> {
  const sum = { bytes: 0, requests: 0 };
  for (const node of [...seeds, ...peers]) {
    const control = connectControl(node.socket);
    const { totals } = await control.status(AbortSignal.timeout(10_000));
    await control.close();
    sum.bytes += totals.bytesFromOrigin;
    sum.requests += totals.originRequests;
  }
  return sum;
}
