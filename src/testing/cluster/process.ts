// A child process that says in one JSON line on stdout that it is ready, as all of ours do.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Where and how a Node is started. */
export interface NodeLaunch {
  readonly env?: Readonly<Record<string, string>>;
  /** A command that the Node becomes the end of, and replaces: `ip netns exec NAME`. */
  readonly within?: readonly string[];
  /** Further flags of Node. */
  readonly nodeArgs?: readonly string[];
}

export interface StartOptions extends NodeLaunch {
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  /** Default 30 s. */
  readonly readyWithinMs?: number;
}

/** Log text that is kept of one process, for messages when a test fails. */
const MAX_LOG_CHARACTERS = 4_000_000;

export class ServiceProcess {
  readonly name: string;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  #log = '';

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    this.exited = new Promise((resolve) => child.once('close', (code) => resolve(code)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = `${this.#log}${text}`.slice(-MAX_LOG_CHARACTERS);
    });
  }

  /** What it wrote to stderr. */
  get log(): string {
    return this.#log;
  }

  /** Resolves when this text was written to stderr, now or earlier; rejects when the process ends without. */
  async logged(text: string): Promise<void> {
    const { stderr } = this.child;
    while (!this.#log.includes(text)) {
      if (!stderr || this.child.exitCode !== null) throw new Error(`${this.name} never said: ${text}`);
      await Promise.race([once(stderr, 'data'), this.exited]);
    }
  }

  /** Ends it as an administrator would; with force after `graceMs`. */
  async stop(graceMs = 15_000): Promise<number | null> {
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs);
    const code = await this.exited;
    clearTimeout(timer);
    return code;
  }

  /** As power loss would, but for the page cache. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }
}

/**
 * As the first lines of our entries say. Received chunks are garbage that counts little until a scavenge: with a small
 * young generation these come often, and a seed needs 50 MiB to 90 MiB less.
 */
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=2'];

/** Spawns one of our entries on this Node. */
export function spawnNode(
  script: string,
  args: readonly string[],
  { env = {}, within = [], nodeArgs = [] }: NodeLaunch = {},
): ChildProcess {
  const command = [...within, process.execPath, ...NODE_FLAGS, ...nodeArgs, script, ...args];
  return spawn(command[0] ?? '', command.slice(1), {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The environment without settings of the person who runs the tests, and without proxies: all hosts are local. */
function cleanEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(?:HF_|HUGGING|MODELSCOPE|ANAX|DFGET|NODE_TEST|https?_proxy|all_proxy)/iu.test(name),
  );
  return Object.fromEntries(entries) as Record<string, string>;
}

/** Starts a service and waits for its ready line. */
export async function startService<Ready>(
  options: StartOptions,
): Promise<{ service: ServiceProcess; ready: Ready }> {
  const service = new ServiceProcess(options.name, spawnNode(options.script, options.args, options));
  const { stdout } = service.child;
  if (!stdout) throw new Error('the service has a stdout');
  const first = new Promise<string>((resolve, reject) => {
    createInterface(stdout).once('line', resolve);
    void service.exited.then((code) =>
      reject(new Error(`${options.name} ended with ${code} before it was ready:\n${service.log}`)),
    );
  });
  const timer = setTimeout(() => service.child.kill('SIGKILL'), options.readyWithinMs ?? 30_000);
  try {
    return { service, ready: JSON.parse(await first) as Ready };
  } finally {
    clearTimeout(timer);
  }
}
