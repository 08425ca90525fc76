// One parent that holds a model and one child that fetches it, as real daemons beside a real scheduler.
//
// The clock runs from the child's `resolved` event (files known, no byte asked for) to dfget's summary: it has the
// dialling, every check, the commit and the output in it, and leaves out the start of the dfget process. Processor
// time is that of the two daemons, all threads, between the same two moments; dfget itself only waits and is left out.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MiB } from '../../src/core/index.ts';
import { connectControl } from '../../src/rpc/index.ts';
import { makeTestCertificate, writeCertificate } from '../../src/testing/certificates/index.ts';
import {
  type Cluster,
  type DaemonNode,
  type DfgetLine,
  type DfgetResult,
  dfget,
  type Emulator,
  startCluster,
  startEmulator,
} from '../../src/testing/cluster/index.ts';
import {
  cpuSeconds,
  forgetPeak,
  mainThreadCpuSeconds,
  peakRssMiB,
  residentMiB,
} from '../kit/process-cost.ts';
import { type Transfer, toTransfer } from './transfer.ts';

type SummaryLine = NonNullable<DfgetResult['summary']>;

const MODEL = 'anax/bench-model';
/** Delivered before each measurement, so that code is compiled at both ends as in a daemon that has run for a while. */
const WARM_UP = 'anax/bench-warm-up';
const WARM_UP_BYTES = 256 * MiB;
/** A model of one shard has one large file, of this name. */
export const MODEL_FILE = 'model.safetensors';

export interface PairOptions {
  readonly folder: string;
  readonly sizeBytes: number;
  readonly profileDir: string | undefined;
}

/** How the two daemons are set up. */
export interface Variant {
  readonly tls: boolean;
  /** Threads that move payload, of each. */
  readonly workers: number;
}

/** Memory of the two daemons. */
export interface Resident {
  readonly childMiB: number;
  readonly parentMiB: number;
}

export class AnaxPair {
  readonly #emulator: Emulator;
  readonly #cluster: Cluster;
  readonly #tlsFlags: readonly string[];

  private constructor(emulator: Emulator, cluster: Cluster, tlsFlags: readonly string[]) {
    this.#emulator = emulator;
    this.#cluster = cluster;
    this.#tlsFlags = tlsFlags;
  }

  /** Starts everything and feeds the parent from the emulated hub. */
  static async start({ folder, sizeBytes, profileDir }: PairOptions): Promise<AnaxPair> {
    const repo = (id: string, bytes: number) => ({ id, model: { sizeBytes: bytes, shards: 1, seed: id } });
    const emulator = await startEmulator({
      kind: 'huggingface',
      repos: [repo(MODEL, sizeBytes), repo(WARM_UP, WARM_UP_BYTES)],
    });
    try {
      const cluster = await startCluster({
        folder: join(folder, 'anax'),
        peers: 1,
        daemonArgs: ['--hf-endpoint', emulator.url],
        env: profileEnvironment(profileDir),
      });
      const pair = new AnaxPair(emulator, cluster, await writeTlsFlags(folder));
      await pair.#feedParent().catch(async (error: unknown) => {
        await pair.stop();
        throw error;
      });
      return pair;
    } catch (error) {
      await emulator.stop();
      throw error;
    }
  }

  async #feedParent(): Promise<void> {
    await this.#fetch(this.#parent, WARM_UP);
    await rm(this.#parent.output, { recursive: true });
    await this.#fetch(this.#parent, MODEL);
  }

  get #parent(): DaemonNode {
    return only(this.#cluster.seeds);
  }

  get #child(): DaemonNode {
    return only(this.#cluster.peers);
  }

  /** The model's large file as the parent has it, for others to serve. */
  get modelFolder(): string {
    return this.#parent.output;
  }

  /** One delivery to a child that was made by `become`. */
  async measure(): Promise<Transfer> {
    const parent = pidOf(this.#parent);
    const child = pidOf(this.#child);
    await forgetPeak(parent);
    const begun = Promise.withResolvers<Mark>();
    const ended = Promise.withResolvers<Mark>();
    const summary = await this.#fetch(this.#child, MODEL, (line) => {
      if (line.kind === 'resolved') begun.resolve(mark(child, parent));
      if (line.kind === 'summary') ended.resolve(mark(child, parent));
    });
    const [from, to] = [await begun.promise, await ended.promise];
    return toTransfer({
      bytes: bytesFromPeers(summary),
      seconds: (to.atMs - from.atMs) / 1000,
      receiverCpuSeconds: to.childCpu - from.childCpu,
      serverCpuSeconds: to.parentCpu - from.parentCpu,
      receiverPeakRssMiB: await peakRssMiB(child),
      serverPeakRssMiB: await peakRssMiB(parent),
      receiverMainThreadSeconds: to.childMainCpu - from.childMainCpu,
      serverMainThreadSeconds: to.parentMainCpu - from.parentMainCpu,
    });
  }

  /** Starts both anew: the parent with the model, the child with nothing of it, and both warm. */
  async become({ tls, workers }: Variant): Promise<void> {
    await Promise.all([this.#child.stop(), this.#parent.stop()]);
    await this.clear();
    const flags = ['--workers', String(workers), ...(tls ? this.#tlsFlags : [])];
    await this.#parent.start(flags);
    await this.#child.start(flags);
    await this.#fetch(this.#child, WARM_UP);
    await rm(this.#child.output, { recursive: true });
  }

  /** One more delivery to a child that goes on running, with nothing of the model. */
  async deliver(): Promise<void> {
    const control = connectControl(this.#child.socket);
    const signal = AbortSignal.timeout(60_000);
    const { snapshots } = await control.list(signal);
    for (const { snapshotId } of snapshots) await control.remove({ kind: 'snapshot', snapshotId }, signal);
    await rm(this.#child.output, { recursive: true, force: true });
    bytesFromPeers(await this.#fetch(this.#child, MODEL));
  }

  async resident(): Promise<Resident> {
    const [childMiB, parentMiB] = await Promise.all([this.#child, this.#parent].map(pidOf).map(residentMiB));
    return { childMiB: childMiB ?? 0, parentMiB: parentMiB ?? 0 };
  }

  async peak(): Promise<Resident> {
    const [childMiB, parentMiB] = await Promise.all([this.#child, this.#parent].map(pidOf).map(peakRssMiB));
    return { childMiB: childMiB ?? 0, parentMiB: parentMiB ?? 0 };
  }

  /** Removes what the child got. */
  async clear(): Promise<void> {
    for (const folder of [this.#child.cacheDir, this.#child.output]) {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #fetch(
    node: DaemonNode,
    repo: string,
    onLine: (line: DfgetLine) => void = () => undefined,
  ): Promise<SummaryLine> {
    const args = [`hf://${repo}`, '-O', node.output, '--endpoint', node.socket];
    const result = await dfget(args, { env: { HF_ENDPOINT: this.#emulator.url }, onLine });
    if (result.exitCode === 0 && result.summary) return result.summary;
    throw new Error(`dfget to ${node.name} ended with ${result.exitCode}:\n${result.stderr}`);
  }

  async stop(): Promise<void> {
    await this.#cluster.stop();
    await this.#emulator.stop();
  }
}

interface Mark {
  readonly atMs: number;
  readonly childCpu: number;
  readonly parentCpu: number;
  readonly childMainCpu: number;
  readonly parentMainCpu: number;
}

async function mark(child: number, parent: number): Promise<Mark> {
  const atMs = performance.now();
  const [childCpu, parentCpu, childMainCpu, parentMainCpu] = await Promise.all([
    cpuSeconds(child),
    cpuSeconds(parent),
    mainThreadCpuSeconds(child),
    mainThreadCpuSeconds(parent),
  ]);
  return { atMs, childCpu, parentCpu, childMainCpu, parentMainCpu };
}

async function writeTlsFlags(folder: string): Promise<string[]> {
  const ca = makeTestCertificate({ name: 'bench' });
  const files = await writeCertificate(folder, makeTestCertificate({ name: 'a host', issuer: ca }), ca);
  return Object.entries(files).flatMap(([name, path]) => [`--peer-tls-${name}`, path]);
}

/**
 * All bytes must have come from the parent, or something else was measured; but for the few of small files that the
 * warm-up has as well.
 */
function bytesFromPeers({ bytes = 0, bytesFromPeers: fromPeers = 0, bytesFromOrigin }: SummaryLine): number {
  if (bytes === 0 || fromPeers < bytes * 0.99 || bytesFromOrigin !== 0) {
    throw new Error(`${fromPeers} of ${bytes} bytes came from the parent, ${bytesFromOrigin} from the hub`);
  }
  return fromPeers;
}

function profileEnvironment(folder: string | undefined): Readonly<Record<string, string>> {
  return folder === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
}

function pidOf({ name, service }: DaemonNode): number {
  const { pid } = service.child;
  if (pid === undefined) throw new Error(`${name} runs`);
  return pid;
}

function only(nodes: readonly DaemonNode[]): DaemonNode {
  const [node] = nodes;
  if (!node) throw new Error('the cluster has one of them');
  return node;
}
