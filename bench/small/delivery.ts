// One delivery of a repository to all peers at once, by real processes, and what it took.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Cluster,
  type DaemonNode,
  type DfgetResult,
  dfget,
  type Emulator,
  startCluster,
  startEmulator,
} from '../../src/testing/cluster/index.ts';
import { cpuSeconds } from '../kit/process-cost.ts';
import type { SmallOptions } from './options.ts';

/** What is delivered: as many bytes in one file, and in many. */
export const SHAPES = ['one', 'many'] as const;
export type Shape = (typeof SHAPES)[number];

/** More than one window of a real hub allows: what waits for a hub is not what is measured. */
const UNBOUNDED = { anonymous: { api: 1_000_000, resolvers: 1_000_000 } };
const WARM_UP = 'anax/warm-up';
const WARM_UP_FILES = 50;

export interface Delivery {
  /** From the start of the first dfget process to the end of the last. */
  readonly seconds: number;
  /** Of the peer that took longest, from its request to the last file in place: the processes' starts are not in it. */
  readonly engineSeconds: number;
  /** Of the daemons of the peers and the seed, all threads. */
  readonly cpuSeconds: number;
  /** That the seed made. */
  readonly originRequests: number;
}

export class SmallFilesCluster {
  readonly #options: SmallOptions;
  readonly #emulator: Emulator;
  readonly #cluster: Cluster;

  private constructor(options: SmallOptions, emulator: Emulator, cluster: Cluster) {
    this.#options = options;
    this.#emulator = emulator;
    this.#cluster = cluster;
  }

  /** Everything runs, and has delivered another model, so that all know each other and their code is compiled. */
  static async start(options: SmallOptions, folder: string): Promise<SmallFilesCluster> {
    const emulator = await startEmulator({ repos: repositories(options), options: { quota: UNBOUNDED } });
    try {
      const cluster = await startCluster({
        folder,
        peers: options.peers,
        daemonArgs: ['--hf-endpoint', emulator.url],
        env: profileEnvironment(options.profileDir),
      });
      const started = new SmallFilesCluster(options, emulator, cluster);
      await started.#deliver(WARM_UP).catch(async (error: unknown) => {
        await started.stop();
        throw error;
      });
      return started;
    } catch (error) {
      await emulator.stop();
      throw error;
    }
  }

  /** Of what nobody has. Each run has bytes of its own. */
  async deliver(shape: Shape, run: number): Promise<Delivery> {
    return await this.#deliver(repositoryOf(shape, run), countOf(shape, this.#options));
  }

  async #deliver(repo: string, files?: number): Promise<Delivery> {
    const { peers, seeds } = this.#cluster;
    const daemons = [...peers, ...seeds].map(pidOf);
    const [cpuBefore, before] = [await sumOf(daemons.map((pid) => cpuSeconds(pid))), await this.#requests()];
    const startedMs = performance.now();
    const results = await Promise.all(peers.map((peer) => this.#get(peer, repo)));
    const seconds = (performance.now() - startedMs) / 1000;
    if (files !== undefined) for (const peer of peers) await checkOutput(peer, outputOf(peer, repo), files);
    return {
      seconds,
      engineSeconds: Math.max(...results.map(({ summary }) => summary?.seconds ?? Number.NaN)),
      cpuSeconds: (await sumOf(daemons.map((pid) => cpuSeconds(pid)))) - cpuBefore,
      originRequests: (await this.#requests()) - before,
    };
  }

  async #requests(): Promise<number> {
    return (await this.#emulator.stats()).requests;
  }

  async #get(peer: DaemonNode, repo: string): Promise<DfgetResult> {
    const args = [`hf://${repo}`, '-O', outputOf(peer, repo), '--endpoint', peer.socket];
    const result = await dfget(args, { env: { HF_ENDPOINT: this.#emulator.url } });
    if (result.exitCode === 0) return result;
    throw new Error(`dfget on ${peer.name} ended with ${result.exitCode}:\n${result.stderr}`);
  }

  async stop(): Promise<void> {
    await this.#cluster.stop();
    await this.#emulator.stop();
  }
}

function repositoryOf(shape: Shape, run: number): string {
  return `anax/${shape}-${run}`;
}

function countOf(shape: Shape, { files }: SmallOptions): number {
  return shape === 'one' ? 1 : files;
}

function repositories(options: SmallOptions): readonly object[] {
  const { runs, files, fileBytes } = options;
  const made = (id: string, count: number, bytes: number): object => ({
    id,
    manyFiles: { count, fileBytes: bytes, seed: id },
  });
  const all = [made(WARM_UP, WARM_UP_FILES, fileBytes)];
  for (let run = 1; run <= runs; run += 1) {
    all.push(made(repositoryOf('one', run), 1, files * fileBytes));
    all.push(made(repositoryOf('many', run), files, fileBytes));
  }
  return all;
}

/**
 * Each delivery has a folder of its own, and none is removed before the end: ext4 steps over the inodes of files that were
 * removed within the last minutes one by one, which made files cost several times as much from run to run.
 */
function outputOf({ output }: DaemonNode, repo: string): string {
  return join(output, repo);
}

/** The daemons checked each file's digest; here only that all are there. */
async function checkOutput({ name }: DaemonNode, output: string, files: number): Promise<void> {
  const there = await readdir(output);
  if (there.length !== files) throw new Error(`${name} has ${there.length} of ${files} files in ${output}`);
}

function profileEnvironment(folder: string | undefined): Readonly<Record<string, string>> {
  return folder === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
}

function pidOf({ name, service }: DaemonNode): number {
  const { pid } = service.child;
  if (pid === undefined) throw new Error(`${name} does not run`);
  return pid;
}

async function sumOf(numbers: readonly Promise<number>[]): Promise<number> {
  return (await Promise.all(numbers)).reduce((sum, one) => sum + one, 0);
}
