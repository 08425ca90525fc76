// One parent that holds a model and one child that fetches it, as real daemons beside a real scheduler.
//
// The clock runs from the child's `resolved` event (files known, no byte asked for) to dfget's summary: it has the
// dialling, every check, the commit and the output in it, and leaves out the start of the dfget process. Processor
// time is that of the two daemons, all threads, between the same two moments; dfget itself only waits and is left out.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
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
import { cpuSeconds, forgetPeak, peakRssMiB } from '../kit/process-cost.ts';
import { type Transfer, toTransfer } from './transfer.ts';

type SummaryLine = NonNullable<DfgetResult['summary']>;

const REPO = 'anax/bench-model';
/** A model of one shard has one large file, of this name. */
export const MODEL_FILE = 'model.safetensors';

export interface PairOptions {
  readonly folder: string;
  readonly sizeBytes: number;
  readonly profileDir: string | undefined;
}

export class AnaxPair {
  readonly #emulator: Emulator;
  readonly #cluster: Cluster;

  private constructor(emulator: Emulator, cluster: Cluster) {
    this.#emulator = emulator;
    this.#cluster = cluster;
  }

  /** Starts everything and feeds the parent from the emulated hub. */
  static async start({ folder, sizeBytes, profileDir }: PairOptions): Promise<AnaxPair> {
    const emulator = await startEmulator({
      kind: 'huggingface',
      repos: [{ id: REPO, model: { sizeBytes, shards: 1, seed: 'bench' } }],
    });
    try {
      const cluster = await startCluster({
        folder: join(folder, 'anax'),
        peers: 1,
        daemonArgs: ['--hf-endpoint', emulator.url],
        env: profileEnvironment(profileDir),
      });
      const pair = new AnaxPair(emulator, cluster);
      await pair.#fetch(pair.#parent).catch(async (error: unknown) => {
        await pair.stop();
        throw error;
      });
      return pair;
    } catch (error) {
      await emulator.stop();
      throw error;
    }
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

  /** One delivery to a child that was started by `emptyChild`. */
  async measure(): Promise<Transfer> {
    const parent = pidOf(this.#parent);
    const child = pidOf(this.#child);
    await forgetPeak(parent);
    const begun = Promise.withResolvers<Mark>();
    const ended = Promise.withResolvers<Mark>();
    const summary = await this.#fetch(this.#child, (line) => {
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
    });
  }

  /** Starts the child anew, with nothing. */
  async emptyChild(): Promise<void> {
    await this.#child.stop();
    await this.clear();
    await this.#child.start();
  }

  /** Removes what the child got. */
  async clear(): Promise<void> {
    for (const folder of [this.#child.cacheDir, this.#child.output]) {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #fetch(node: DaemonNode, onLine: (line: DfgetLine) => void = () => undefined): Promise<SummaryLine> {
    const args = [`hf://${REPO}`, '-O', node.output, '--endpoint', node.socket];
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
}

async function mark(child: number, parent: number): Promise<Mark> {
  const atMs = performance.now();
  const [childCpu, parentCpu] = await Promise.all([cpuSeconds(child), cpuSeconds(parent)]);
  return { atMs, childCpu, parentCpu };
}

/** All bytes must have come from the parent, or something else was measured. */
function bytesFromPeers({ bytes = 0, bytesFromPeers: fromPeers = 0 }: SummaryLine): number {
  if (bytes === 0 || fromPeers !== bytes) {
    throw new Error(`${fromPeers} of ${bytes} bytes came from the parent`);
  }
  return bytes;
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
