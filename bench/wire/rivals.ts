// The others, moving the same file over loopback: nginx with sendfile as the server of curl and of aria2, and iperf3,
// which moves bytes from and to nowhere, as the ceiling.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { GiB } from '../../src/core/index.ts';
import { nginxConfig } from '../kit/nginx-config.ts';
import { toolEnvironment } from '../kit/packages.ts';
import { childPids, cpuSeconds, forgetPeak, peakRssMiB } from '../kit/process-cost.ts';
import { type Transfer, toTransfer } from './transfer.ts';

const START_PATIENCE_MS = 5_000;
const RSS_POLL_MS = 20;

/** An nginx of one process, so that all that it costs is in one place. */
export class Nginx {
  /** Of the one file that it is there for. */
  readonly url: string;
  readonly pid: number;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    if (child.pid === undefined) throw new Error('nginx does not start');
    this.#process = child;
    this.pid = child.pid;
    this.url = url;
  }

  static async start(folder: string, servedFolder: string, file: string): Promise<Nginx> {
    const port = await freePort();
    const home = join(folder, 'nginx');
    await mkdir(home, { recursive: true });
    const path = join(home, 'nginx.conf');
    await writeFile(path, nginxConfig({ home, servedFolder, listen: `127.0.0.1:${port}` }));
    const args = ['-c', path, '-p', home, '-e', 'stderr'];
    const child = spawn('nginx', args, { stdio: ['ignore', 'ignore', 'inherit'], env: toolEnvironment() });
    const nginx = new Nginx(child, `http://127.0.0.1:${port}/${file}`);
    await nginx.#answers();
    return nginx;
  }

  async #answers(): Promise<void> {
    const deadlineMs = performance.now() + START_PATIENCE_MS;
    while (performance.now() < deadlineMs) {
      const answer = await fetch(this.url, { method: 'HEAD' }).catch(() => undefined);
      if (answer?.ok) return;
      await sleep(20);
    }
    this.stop();
    throw new Error('nginx does not answer');
  }

  stop(): void {
    this.#process.kill('SIGTERM');
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address === 'object' && address) return address.port;
  throw new Error('a server on a port has an address');
}

/** A client of nginx: the command that fetches `url` into the file `name` of `folder`. */
export type FetchCommand = (url: string, folder: string, name: string) => readonly string[];

export const curl: FetchCommand = (url, folder, name) => ['curl', '-s', '-f', '-o', join(folder, name), url];

/** See bare-receiver.ts. */
export const bareReceiver: FetchCommand = (url, folder, name) => [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  join(import.meta.dirname, 'bare-receiver.ts'),
  url,
  join(folder, name),
];

export const aria2: FetchCommand = (url, folder, name) => [
  'aria2c',
  '--no-conf',
  '--quiet',
  '--max-connection-per-server=8',
  '--split=8',
  '--min-split-size=1M',
  '--file-allocation=none',
  `--dir=${folder}`,
  `--out=${name}`,
  url,
];

export interface FetchOptions {
  readonly nginx: Nginx;
  readonly command: FetchCommand;
  readonly folder: string;
  readonly file: string;
  readonly sizeBytes: number;
}

/** Fetches the file once and removes it. The clock has the client's start in it, some 10 ms. */
export async function measureFetch({
  nginx,
  command,
  folder,
  file,
  sizeBytes,
}: FetchOptions): Promise<Transfer> {
  const target = join(folder, 'fetched');
  await mkdir(target, { recursive: true });
  await forgetPeak(nginx.pid);
  const serverBefore = await cpuSeconds(nginx.pid);
  const client = await runMeasured(command(nginx.url, target, file));
  const serverCpuSeconds = (await cpuSeconds(nginx.pid)) - serverBefore;
  const { size } = await stat(join(target, file));
  await rm(target, { recursive: true });
  if (size !== sizeBytes) throw new Error(`${file} has ${size} bytes, not ${sizeBytes}`);
  return toTransfer({
    bytes: sizeBytes,
    seconds: client.seconds,
    receiverCpuSeconds: client.cpuSeconds,
    serverCpuSeconds,
    receiverPeakRssMiB: client.peakRssMiB,
    serverPeakRssMiB: await peakRssMiB(nginx.pid),
  });
}

interface CommandCost {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
}

/** A shell waits for the command, says so and stays, so that what the command cost can be read from it. */
const WAITING_SHELL = '"$@"; echo "ended $?"; read -r _';

async function runMeasured(command: readonly string[]): Promise<CommandCost> {
  const begunMs = performance.now();
  const shell = spawn('sh', ['-c', WAITING_SHELL, 'sh', ...command], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: toolEnvironment(),
  });
  const { pid } = shell;
  if (pid === undefined) throw new Error('sh does not start');
  const ended = new Promise<string>((resolve) => createInterface(shell.stdout).on('line', resolve));
  const peak = watchPeak(pid, ended);
  const said = await ended;
  const seconds = (performance.now() - begunMs) / 1000;
  const used = await cpuSeconds(pid, 'children');
  shell.stdin.end();
  if (said !== 'ended 0') throw new Error(`${command[0]} ${said}`);
  return { seconds, cpuSeconds: used, peakRssMiB: await peak };
}

/** The peak as it was seen last before the command ended. */
async function watchPeak(shellPid: number, ended: Promise<unknown>): Promise<number> {
  let running = true;
  let peak = 0;
  void ended.then(() => {
    running = false;
  });
  while (running) {
    const [pid] = await childPids(shellPid);
    const seen = pid === undefined ? 0 : await peakRssMiB(pid).catch(() => 0);
    peak = Math.max(peak, seen);
    await sleep(RSS_POLL_MS);
  }
  return peak;
}

/** One stream for as many bytes. */
export async function measureIperf3(sizeBytes: number): Promise<number> {
  const port = String(await freePort());
  const env = toolEnvironment();
  const args = ['-s', '-1', '--forceflush', '-B', '127.0.0.1', '-p', port];
  const server = spawn('iperf3', args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  const gone = new Promise((resolve) => server.once('close', resolve));
  try {
    await new Promise((resolve) => server.stdout.once('data', resolve));
    return await runIperf3Client(port, sizeBytes);
  } finally {
    server.kill('SIGTERM');
    await gone;
  }
}

interface Iperf3Result {
  readonly error?: string;
  readonly end?: { readonly sum_received?: { readonly bits_per_second?: number } };
}

async function runIperf3Client(port: string, sizeBytes: number): Promise<number> {
  const args = ['-c', '127.0.0.1', '-p', port, '-n', String(sizeBytes), '-J'];
  const client = spawn('iperf3', args, { stdio: ['ignore', 'pipe', 'inherit'], env: toolEnvironment() });
  let text = '';
  for await (const part of client.stdout.setEncoding('utf8')) text += part as string;
  const result = JSON.parse(text) as Iperf3Result;
  const bits = result.end?.sum_received?.bits_per_second;
  if (bits === undefined) throw new Error(`iperf3: ${result.error ?? 'no result'}`);
  return bits / 8 / GiB;
}
