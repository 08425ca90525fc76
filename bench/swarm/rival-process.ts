// A rival's process on a host of the network.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceProcess } from '../../src/testing/cluster/index.ts';
import { toolEnvironment } from '../kit/packages.ts';
import type { TestBed } from './race.ts';

export class RivalProcess {
  readonly service: ServiceProcess;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();

  constructor({ network }: TestBed, host: string, command: readonly string[]) {
    const [file = '', ...args] = [...network.within(host), ...command];
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: toolEnvironment() });
    this.service = new ServiceProcess(`${host}: ${command[0]}`, child);
    child.stdin.on('error', () => undefined);
    createInterface(child.stdout).on('line', (line) => {
      this.#lines.push(line);
      for (const look of this.#waiting) look();
    });
  }

  get pid(): number {
    const { pid } = this.service.child;
    if (pid === undefined) throw new Error(`${this.service.name} does not start`);
    return pid;
  }

  /** Resolves when it has written a line with this text; rejects where it ends without. */
  async says(text: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.#lines.some((line) => line.includes(text))) resolve();
    };
    this.#waiting.add(look);
    void this.service.exited.then((code) => {
      look();
      reject(new Error(`${this.service.name} ended with ${code}:\n${this.#lines.join('\n')}`));
    });
    look();
    // A rival may end after nobody waits any more.
    promise.catch(() => undefined);
    await promise.finally(() => this.#waiting.delete(look));
  }

  /** Resolves when it has ended well. */
  async succeeds(): Promise<void> {
    const code = await this.service.exited;
    if (code !== 0) throw new Error(`${this.service.name} ended with ${code}:\n${this.service.log}`);
  }

  /** Says a line to it. */
  tell(line: string): void {
    this.service.child.stdin?.write(`${line}\n`);
  }

  async kill(): Promise<void> {
    await this.service.kill();
  }
}

const ANSWER_PATIENCE_MS = 5_000;

/** Resolves when a server on a host answers, whatever it says. */
export async function untilAnswered({ network }: TestBed, host: string, url: string): Promise<void> {
  const deadlineMs = performance.now() + ANSWER_PATIENCE_MS;
  for (;;) {
    const error = await network.run(host, ['curl', '-s', '-I', url]).then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    if (!error) return;
    if (performance.now() > deadlineMs) throw error;
    await sleep(50);
  }
}
