// A cluster of real processes on this machine: a scheduler, seeds and peers, each with folders of its own.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ServiceProcess, startService } from './process.ts';

const ANAX = join(import.meta.dirname, '..', '..', 'cli', 'anax.ts');

export interface ClusterOptions {
  /** Everything is kept below it. */
  readonly folder: string;
  readonly peers: number;
  /** Default 1. */
  readonly seeds?: number;
  /** Flags for every daemon, e.g. `--hf-endpoint`. */
  readonly daemonArgs?: readonly string[];
  /** Flags for the peers alone, after those. */
  readonly peerArgs?: readonly string[];
  /** For every daemon. */
  readonly env?: Readonly<Record<string, string>>;
}

interface DaemonReady {
  readonly peerId: string;
  readonly peerPort: number;
  readonly socket: string;
}

/** One daemon, which can be killed and started again on the same folders. */
export class DaemonNode {
  readonly name: string;
  readonly folder: string;
  readonly #args: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #service: ServiceProcess | undefined;
  #ready: DaemonReady | undefined;

  constructor(name: string, folder: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.name = name;
    this.folder = folder;
    this.#args = args;
    this.#env = env;
  }

  get service(): ServiceProcess {
    if (!this.#service) throw new Error(`${this.name} is not started`);
    return this.#service;
  }

  get socket(): string {
    return join(this.folder, 'anax.sock');
  }

  get peerId(): string {
    return this.#ready?.peerId ?? '';
  }

  get peerPort(): number {
    return this.#ready?.peerPort ?? 0;
  }

  get cacheDir(): string {
    return join(this.folder, 'cache');
  }

  /** Where downloads of this node go in tests. */
  get output(): string {
    return join(this.folder, 'out');
  }

  /** With flags beside its own, for this time. */
  async start(more: readonly string[] = []): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const { service, ready } = await startService<DaemonReady>({
      name: this.name,
      script: ANAX,
      args: [...this.#args, ...more],
      env: this.#env,
    });
    this.#service = service;
    this.#ready = ready;
  }

  async stop(): Promise<void> {
    await this.#service?.stop();
  }

  async kill(): Promise<void> {
    await this.service.kill();
  }
}

export class SchedulerNode {
  readonly folder: string;
  #service: ServiceProcess | undefined;
  port = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Starts it; a second time on the port it had. */
  async start(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const { service, ready } = await startService<DaemonReady>({
      name: 'scheduler',
      script: ANAX,
      args: ['scheduler', '--port', String(this.port), '--data-dir', this.folder],
    });
    this.#service = service;
    this.port = ready.peerPort;
  }

  get service(): ServiceProcess {
    if (!this.#service) throw new Error('the scheduler is not started');
    return this.#service;
  }

  async stop(): Promise<void> {
    await this.#service?.stop();
  }
}

export interface Cluster {
  readonly scheduler: SchedulerNode;
  readonly seeds: readonly DaemonNode[];
  readonly peers: readonly DaemonNode[];
  stop(): Promise<void>;
}

/** Starts all, a few at a time: each start costs the processor a good part of a second. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const scheduler = new SchedulerNode(join(options.folder, 'scheduler'));
  await scheduler.start();
  const create = (role: 'seed' | 'daemon', name: string): DaemonNode => {
    const folder = join(options.folder, name);
    const flags = {
      port: '0',
      scheduler: `127.0.0.1:${scheduler.port}`,
      hostname: name,
      'data-dir': join(folder, 'data'),
      'cache-dir': join(folder, 'cache'),
      socket: join(folder, 'anax.sock'),
    };
    const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
    const more = [...(options.daemonArgs ?? []), ...(role === 'daemon' ? (options.peerArgs ?? []) : [])];
    return new DaemonNode(name, folder, [role, ...args, ...more], options.env ?? {});
  };
  const numbered = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);
  const seeds = numbered(options.seeds ?? 1).map((at) => create('seed', `seed-${at}`));
  const peers = numbered(options.peers).map((at) => create('daemon', `peer-${at}`));
  const nodes = [...seeds, ...peers];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
    await scheduler.stop();
  };
  try {
    await inTurns(nodes, 4, (node) => node.start());
  } catch (error) {
    await stop();
    throw error;
  }
  return { scheduler, seeds, peers, stop };
}

/** Runs over items, `width` at a time. */
export async function inTurns<Item>(
  items: readonly Item[],
  width: number,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
}
