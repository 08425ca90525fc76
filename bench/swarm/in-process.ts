// `--in-process`: many peers in few processes on loopback, and one peer alone under the same limits. What namespaces and
// hundreds of processes would cost is left out, so that hundreds of peers fit one machine; the links' shape is the
// daemon's own rate limit, and the seed's is the same.
//
// Invariant: no process outlives the bench; each ends when its channel to it closes.

import { type ChildProcess, fork } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Emulator,
  type ServiceProcess,
  startEmulator,
  startService,
} from '../../src/testing/cluster/index.ts';
import { cpuSeconds, peakRssMiB } from '../kit/process-cost.ts';
import { boundSeconds } from './bound.ts';
import type { FromPeers, PeerPlan, PeersPlan, ToPeers } from './in-process-messages.ts';
import type { SwarmOptions } from './options.ts';
import { type SharedFile, sha256Of } from './race.ts';

const ENTRY = join(import.meta.dirname, 'peers-process.ts');
const ANAX = join(import.meta.dirname, '..', '..', 'src', 'cli', 'anax.ts');
const PEERS_PER_PROCESS = 50;
const REPO = 'anax/bench-model';
const WARM_UP_REPO = 'anax/warm-up';
const WARM_UP_BYTES = 1024 * 1024;
const CALM_MS = 1_000;
const PATIENCE_FACTOR = 6;
const PATIENCE_MORE_MS = 60_000;
const CHECKS_AT_ONCE = 2;

export interface ManyPeersOutcome {
  readonly peers: number;
  /** When each was complete, ascending. */
  readonly finishSeconds: readonly number[];
  readonly originBytesRatio: number;
  readonly originRequests: number;
  /** Of all processes with peers and the seed. */
  readonly cpuSeconds: number;
  /** Of the process that had most; it had `PEERS_PER_PROCESS` peers. */
  readonly peakRssMiB: number;
}

/** One delivery to so many peers. `folder` is made and removed. */
export async function deliverInProcess(
  peers: number,
  options: SwarmOptions,
  file: SharedFile,
  folder: string,
): Promise<ManyPeersOutcome> {
  const cluster = await PeerProcesses.start(peers, options, file, folder);
  try {
    await cluster.download(WARM_UP_REPO);
    await sleep(CALM_MS);
    return await cluster.measure();
  } finally {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

class PeerProcesses {
  readonly #plans: readonly PeerPlan[];
  readonly #options: SwarmOptions;
  readonly #file: SharedFile;
  readonly #hub: Emulator;
  readonly #services: readonly ServiceProcess[];
  readonly #processes: ChildProcess[] = [];
  #onDone: (peer: string, url: string) => void = () => undefined;
  #onFailed: (error: Error) => void = () => undefined;

  private constructor(
    plans: readonly PeerPlan[],
    options: SwarmOptions,
    file: SharedFile,
    hub: Emulator,
    scheduler: ServiceProcess,
  ) {
    this.#plans = plans;
    this.#options = options;
    this.#file = file;
    this.#hub = hub;
    this.#services = [hub.service, scheduler];
  }

  static async start(
    peers: number,
    options: SwarmOptions,
    file: SharedFile,
    folder: string,
  ): Promise<PeerProcesses> {
    const hub = await startHub(file);
    const { service, ready } = await startService<{ readonly peerPort: number }>({
      name: 'scheduler',
      script: ANAX,
      args: ['scheduler', '--port', '0', '--data-dir', join(folder, 'scheduler')],
    });
    const cluster = new PeerProcesses(peerPlans(peers, folder), options, file, hub, service);
    try {
      await cluster.#startProcesses(`127.0.0.1:${ready.peerPort}`);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** The seed has a process of its own. */
  async #startProcesses(scheduler: string): Promise<void> {
    const [seed, ...others] = this.#plans;
    const groups: PeerPlan[][] = seed ? [[seed]] : [];
    for (let at = 0; at < others.length; at += PEERS_PER_PROCESS)
      groups.push(others.slice(at, at + PEERS_PER_PROCESS));
    const bytesPerSecond = Math.round(this.#options.bitsPerSecond / 8);
    for (const peers of groups) {
      await this.#startProcess({ peers, scheduler, hfEndpoint: this.#hub.url, bytesPerSecond });
    }
  }

  async #startProcess(plan: PeersPlan): Promise<void> {
    const child = fork(ENTRY, [JSON.stringify(plan)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#processes.push(child);
    const ready = Promise.withResolvers<void>();
    const fail = (error: Error): void => {
      ready.reject(error);
      this.#onFailed(error);
    };
    child.on('message', (message: FromPeers) => {
      if (message.kind === 'ready') ready.resolve();
      else if (message.kind === 'done') this.#onDone(message.peer, message.url);
      else fail(new Error(`${message.peer}: ${message.error}`));
    });
    child.once('exit', (code) => fail(new Error(`a process of peers ended with ${code}`)));
    await ready.promise;
  }

  /** Has all peers download a repository; returns when each had it, in seconds, ascending. */
  async download(repo: string): Promise<number[]> {
    const { promise, resolve, reject } = Promise.withResolvers<number[]>();
    const patienceMs = PATIENCE_FACTOR * 1000 * boundSeconds(this.#options) + PATIENCE_MORE_MS;
    const late = setTimeout(() => reject(new Error(`the peers did not get ${repo} in time`)), patienceMs);
    const url = `hf://${repo}`;
    const finishSeconds: number[] = [];
    const startedMs = performance.now();
    this.#onFailed = reject;
    this.#onDone = (_peer, of) => {
      if (of === url) finishSeconds.push((performance.now() - startedMs) / 1000);
      if (finishSeconds.length === this.#plans.length - 1) resolve(finishSeconds);
    };
    this.#tell({ kind: 'download', url });
    try {
      return await promise;
    } finally {
      clearTimeout(late);
      this.#onFailed = () => undefined;
    }
  }

  async measure(): Promise<ManyPeersOutcome> {
    await this.#hub.reset();
    const before = await this.#cpuSeconds();
    const finishSeconds = await this.download(REPO);
    const used = (await this.#cpuSeconds()) - before;
    const { contentBytesSent, requests } = await this.#hub.stats();
    const rss = await Promise.all(this.#pids().map((pid) => peakRssMiB(pid)));
    await this.#check();
    return {
      peers: finishSeconds.length,
      finishSeconds,
      originBytesRatio: contentBytesSent / this.#file.sizeBytes,
      originRequests: requests,
      cpuSeconds: used,
      peakRssMiB: Math.max(...rss),
    };
  }

  #pids(): number[] {
    return this.#processes.flatMap(({ pid }) => pid ?? []);
  }

  async #cpuSeconds(): Promise<number> {
    const all = await Promise.all(this.#pids().map((pid) => cpuSeconds(pid)));
    return all.reduce((sum, seconds) => sum + seconds, 0);
  }

  async #check(): Promise<void> {
    const { name, sizeBytes, sha256 } = this.#file;
    const waiting = this.#plans.filter(({ role }) => role === 'peer');
    const check = async (): Promise<void> => {
      for (let peer = waiting.pop(); peer; peer = waiting.pop()) {
        const found = await sha256Of(join(peer.folder, 'out', name), sizeBytes);
        if (found !== sha256) throw new Error(`${peer.name} has other bytes than the seed`);
      }
    };
    await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, check));
  }

  #tell(message: ToPeers): void {
    for (const child of this.#processes) if (child.connected) child.send(message);
  }

  async stop(): Promise<void> {
    const gone = this.#processes.map((child) =>
      child.exitCode === null && child.signalCode === null
        ? new Promise((resolve) => child.once('exit', resolve))
        : Promise.resolve(),
    );
    this.#tell({ kind: 'stop' });
    await Promise.all(gone);
    await Promise.all(this.#services.map((service) => service.stop()));
  }
}

async function startHub({ folder, name }: SharedFile): Promise<Emulator> {
  const model = { [name]: { file: join(folder, name), lfs: true } };
  const warmUp = { 'warm-up': { generated: { seed: 1, sizeBytes: WARM_UP_BYTES }, lfs: true } };
  return await startEmulator({
    repos: [
      { id: REPO, revisions: { main: model } },
      { id: WARM_UP_REPO, revisions: { main: warmUp } },
    ],
  });
}

/** The seed first. 127.0.x.y, from 127.0.1.1 on. */
export function peerPlans(peers: number, folder: string): PeerPlan[] {
  return Array.from({ length: peers + 1 }, (_, at) => {
    const name = at === 0 ? 'seed' : `peer-${at}`;
    const address = `127.0.${1 + Math.floor(at / 250)}.${1 + (at % 250)}`;
    return { name, role: at === 0 ? 'seed' : 'peer', address, folder: join(folder, name) };
  });
}
