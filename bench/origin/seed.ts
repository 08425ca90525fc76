// A seed that reads a file from the origin for somebody who asked for it: a real daemon beside a real scheduler. The clock
// runs from the file being known to its summary, with every digest, check and the output in it.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connectControl } from '../../src/rpc/index.ts';
import { type Cluster, type DaemonNode, dfget, startCluster } from '../../src/testing/cluster/index.ts';
import { cpuSeconds, mainThreadCpuSeconds } from '../kit/process-cost.ts';

export interface SeedReading {
  readonly seconds: number;
  /** Of all threads of the seed. */
  readonly cpuSeconds: number;
  readonly mainThreadCpuSeconds: number;
}

interface Mark {
  readonly atMs: number;
  readonly cpu: number;
  readonly mainCpu: number;
}

export class OriginSeed {
  readonly #cluster: Cluster;
  readonly #seed: DaemonNode;

  private constructor(cluster: Cluster, seed: DaemonNode) {
    this.#cluster = cluster;
    this.#seed = seed;
  }

  static async start(folder: string): Promise<OriginSeed> {
    const cluster = await startCluster({ folder: join(folder, 'anax'), peers: 0 });
    const [seed] = cluster.seeds;
    if (!seed) throw new Error('the cluster has a seed');
    return new OriginSeed(cluster, seed);
  }

  /** One delivery to a cache that has nothing of it. */
  async read(url: string): Promise<SeedReading> {
    const begun = Promise.withResolvers<Mark>();
    const ended = Promise.withResolvers<Mark>();
    const args = [url, '-O', this.#seed.output, '--endpoint', this.#seed.socket];
    const result = await dfget(args, {
      onLine: ({ kind }) => {
        if (kind === 'resolved') begun.resolve(this.#mark());
        if (kind === 'summary') ended.resolve(this.#mark());
      },
    });
    if (result.exitCode !== 0) throw new Error(`dfget ended with ${result.exitCode}:\n${result.stderr}`);
    const [from, to] = [await begun.promise, await ended.promise];
    await this.#forget();
    return {
      seconds: (to.atMs - from.atMs) / 1000,
      cpuSeconds: to.cpu - from.cpu,
      mainThreadCpuSeconds: to.mainCpu - from.mainCpu,
    };
  }

  async #mark(): Promise<Mark> {
    const pid = this.#seed.service.child.pid ?? 0;
    const atMs = performance.now();
    return { atMs, cpu: await cpuSeconds(pid), mainCpu: await mainThreadCpuSeconds(pid) };
  }

  async #forget(): Promise<void> {
    const control = connectControl(this.#seed.socket);
    const signal = AbortSignal.timeout(60_000);
    const { snapshots } = await control.list(signal);
    for (const { snapshotId } of snapshots) await control.remove({ kind: 'snapshot', snapshotId }, signal);
    await rm(this.#seed.output, { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    await this.#cluster.stop();
  }
}
