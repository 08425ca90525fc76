// The commands that make a network of shaped links: a namespace for each host, and one that holds the bridges, so that
// nothing of it is in the machine's own namespace. Pure.
//
//   host namespace          switch namespace
//   eth0 ── shaped ──────── h3 ── shaped ──── zone1 ── up1/down1 ── core ── down2/up2 ── zone2
//
// A host's end of its link shapes what it sends, the bridge's end what it receives.

export interface HostPlan {
  readonly name: string;
  /** From 1. */
  readonly zone: number;
}

export interface NetworkPlan {
  /** What the names of all namespaces begin with. */
  readonly prefix: string;
  readonly hosts: readonly HostPlan[];
  readonly zones: number;
  /** Of each host's link, in each direction. */
  readonly bitsPerSecond: number;
}

type Command = readonly string[];

const SWITCH = 'switch';

export function namespaceOf({ prefix }: Pick<NetworkPlan, 'prefix'>, host: string): string {
  return `${prefix}-${host}`;
}

export function switchNamespace(plan: Pick<NetworkPlan, 'prefix'>): string {
  return namespaceOf(plan, SWITCH);
}

/** The bridge's end of a host's link, by the host's place in the plan. */
export function portName(at: number): string {
  return `h${at + 1}`;
}

/** The zone's end of its link to the other zones. */
export function uplinkName(zone: number): string {
  return `up${zone}`;
}

/** `10.10.zone.host`: all in one network, without routes. */
export function addressOf({ hosts }: NetworkPlan, name: string): string {
  const at = hosts.findIndex((host) => host.name === name);
  const host = hosts[at];
  if (!host) throw new Error(`${name} is not in the network`);
  return `10.10.${host.zone}.${at + 1}`;
}

/** What a link holds back before it drops: about what a cheap switch's port buffers. */
const QUEUE_MS = 20;
/** The kernel's timers are finer than this; a smaller bucket would not be filled at full rate. */
const BURST_MS = 4;
/**
 * Of what TCP hands down at once. tbf cuts what is larger than its bucket into packets, which costs twenty times the
 * processor time (measured: 11 CPU-s/GiB); a queue of few large parts drops in large parts; and each part wakes its
 * receiver: at 100 Mbit/s parts of 16 KiB cost Anax a tenth more, and aria2 5 instead of 1.7 CPU-s/GiB.
 */
const MIN_OFFLOAD_BYTES = 16_384;
const MAX_OFFLOAD_BYTES = 65_536;
const PARTS_IN_QUEUE = 4;

export function offloadBytes(bitsPerSecond: number): number {
  const partBytes = Math.round(((bitsPerSecond / 8) * (QUEUE_MS / 1000)) / PARTS_IN_QUEUE);
  return Math.min(MAX_OFFLOAD_BYTES, Math.max(MIN_OFFLOAD_BYTES, partBytes));
}

/** The arguments of `tc qdisc add dev … root`. */
export function shaping(bitsPerSecond: number): string[] {
  const burstBytes = Math.max(
    2 * offloadBytes(bitsPerSecond),
    Math.round((bitsPerSecond / 8) * (BURST_MS / 1000)),
  );
  return ['tbf', 'rate', `${bitsPerSecond}bit`, 'burst', `${burstBytes}b`, 'latency', `${QUEUE_MS}ms`];
}

export function setUpCommands(plan: NetworkPlan): Command[] {
  const zones = Array.from({ length: plan.zones }, (_, at) => at + 1);
  return [
    ['ip', 'netns', 'add', switchNamespace(plan)],
    ...zones.flatMap((zone) => bridge(plan, `zone${zone}`)),
    ...(plan.zones > 1 ? [...bridge(plan, 'core'), ...zones.flatMap((zone) => uplink(plan, zone))] : []),
    ...plan.hosts.flatMap((host, at) => hostLink(plan, host, at)),
  ];
}

function bridge(plan: NetworkPlan, name: string): Command[] {
  const inSwitch = ['ip', '-n', switchNamespace(plan), 'link'];
  return [
    [...inSwitch, 'add', 'name', name, 'type', 'bridge'],
    [...inSwitch, 'set', name, 'up'],
  ];
}

function uplink(plan: NetworkPlan, zone: number): Command[] {
  const inSwitch = ['ip', '-n', switchNamespace(plan), 'link'];
  const [up, down] = [uplinkName(zone), `down${zone}`];
  return [
    [...inSwitch, 'add', 'name', up, 'type', 'veth', 'peer', 'name', down],
    [...inSwitch, 'set', up, 'master', `zone${zone}`, 'up'],
    [...inSwitch, 'set', down, 'master', 'core', 'up'],
  ];
}

function hostLink(plan: NetworkPlan, { name, zone }: HostPlan, at: number): Command[] {
  const own = namespaceOf(plan, name);
  const central = switchNamespace(plan);
  const port = portName(at);
  const limit = shaping(plan.bitsPerSecond);
  const veth = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', own];
  return [
    ['ip', 'netns', 'add', own],
    ['ip', 'link', 'add', 'name', port, 'netns', central, ...veth],
    ['ip', '-n', central, 'link', 'set', port, 'master', `zone${zone}`, 'up'],
    ['ip', '-n', own, 'addr', 'add', `${addressOf(plan, name)}/16`, 'dev', 'eth0'],
    ['ip', '-n', own, 'link', 'set', 'eth0', 'gso_max_size', String(offloadBytes(plan.bitsPerSecond)), 'up'],
    ['ip', '-n', own, 'link', 'set', 'lo', 'up'],
    ['tc', '-n', own, 'qdisc', 'add', 'dev', 'eth0', 'root', ...limit],
    ['tc', '-n', central, 'qdisc', 'add', 'dev', port, 'root', ...limit],
  ];
}
