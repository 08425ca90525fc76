// The network as it is: makes it, counts its bytes, runs commands on its hosts, and takes it away with all that runs
// there, also what an earlier run that was killed has left.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { toolEnvironment } from '../kit/packages.ts';
import { leftNames } from './leftovers.ts';
import { cutCommand, droppedPackets, HEAL_COMMAND, LIST_CUT_COMMAND } from './network-cut.ts';
import {
  addressOf,
  type NetworkPlan,
  namespaceOf,
  portName,
  setUpCommands,
  switchNamespace,
  uplinkName,
} from './network-plan.ts';

const execute = promisify(execFile);

/** Bytes on the wire since the network was made, headers included. */
export interface TrafficCounts {
  sentBy(host: string): number;
  receivedBy(host: string): number;
  readonly crossZone: number;
}

interface LinkStatistics {
  readonly ifname: string;
  readonly stats64: { readonly rx: { readonly bytes: number }; readonly tx: { readonly bytes: number } };
}

export class Network {
  readonly #plan: NetworkPlan;

  private constructor(plan: NetworkPlan) {
    this.#plan = plan;
  }

  static async create(plan: NetworkPlan): Promise<Network> {
    const network = new Network(plan);
    try {
      for (const command of setUpCommands(plan)) await run(command);
      return network;
    } catch (error) {
      await network.remove();
      throw error;
    }
  }

  /** What a command on a host begins with. */
  within(host: string): string[] {
    return ['ip', 'netns', 'exec', namespaceOf(this.#plan, host)];
  }

  addressOf(host: string): string {
    return addressOf(this.#plan, host);
  }

  zoneOf(host: string): number {
    return this.#plan.hosts.find(({ name }) => name === host)?.zone ?? 1;
  }

  /** Runs a command on a host to its end; returns what it wrote. */
  async run(host: string, command: readonly string[]): Promise<string> {
    return await run([...this.within(host), ...command]);
  }

  async traffic(): Promise<TrafficCounts> {
    const { hosts, zones } = this.#plan;
    const text = await run(['ip', '-n', switchNamespace(this.#plan), '-s', '-j', 'link', 'show']);
    const links = new Map((JSON.parse(text) as LinkStatistics[]).map((link) => [link.ifname, link.stats64]));
    const linkOf = (host: string) => links.get(portName(hosts.findIndex(({ name }) => name === host)));
    const uplinks = Array.from({ length: zones }, (_, at) => links.get(uplinkName(at + 1))?.tx.bytes ?? 0);
    return {
      sentBy: (host) => linkOf(host)?.rx.bytes ?? 0,
      receivedBy: (host) => linkOf(host)?.tx.bytes ?? 0,
      crossZone: uplinks.reduce((sum, bytes) => sum + bytes, 0),
    };
  }

  /** Until `heal` these hosts and the others do not reach each other; those that are on both sides reach all. */
  async cut(far: readonly string[], onBothSides: readonly string[]): Promise<void> {
    const apart = new Set([...far, ...onBothSides]);
    const near = this.#plan.hosts.map(({ name }) => name).filter((name) => !apart.has(name));
    const addresses = (names: readonly string[]): string[] => names.map((name) => this.addressOf(name));
    await this.#inSwitch(cutCommand({ near: addresses(near), far: addresses(far) }));
  }

  /** Returns how many packets were lost since the cut. */
  async heal(): Promise<number> {
    const listing = await this.#inSwitch(LIST_CUT_COMMAND);
    await this.#inSwitch(HEAL_COMMAND);
    return droppedPackets(listing);
  }

  #inSwitch(command: readonly string[]): Promise<string> {
    return run(['ip', 'netns', 'exec', switchNamespace(this.#plan), ...command]);
  }

  /** Ends all that runs on the hosts, and removes them. */
  async remove(): Promise<void> {
    const own = (await namespaces()).filter((name) => name.startsWith(`${this.#plan.prefix}-`));
    for (const name of own) await removeNamespace(name);
  }
}

async function run(command: readonly string[]): Promise<string> {
  const [file = '', ...args] = command;
  const { stdout } = await execute(file, args, { env: toolEnvironment(), maxBuffer: 64_000_000 });
  return stdout;
}

async function namespaces(): Promise<string[]> {
  return (await run(['ip', 'netns', 'list'])).split('\n').map((line) => line.split(' ')[0] ?? '');
}

async function removeNamespace(name: string): Promise<void> {
  const pids = await run(['ip', 'netns', 'pids', name]).catch(() => '');
  for (const pid of pids.split('\n').filter(Boolean)) kill(Number(pid));
  await run(['ip', 'netns', 'del', name]).catch(() => undefined);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

/** Removes the namespaces of runs that are no more. Returns their names. */
export async function removeLeftNetworks(): Promise<string[]> {
  const left = await leftNames(await namespaces());
  for (const name of left) await removeNamespace(name);
  return left;
}
