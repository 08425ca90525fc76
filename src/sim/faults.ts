// What goes wrong, drawn by the world's seed: crashes, restarts, partitions, breaks, delays, lies, full disks, a failing
// origin. Each fault heals within the time of the faults; after it everything works.

import type { SimHost } from './host.ts';
import type { World } from './world.ts';
import { START_MS } from './world.ts';

/** Faults are drawn over so many times the bound, but not less than this. */
const SPAN_FACTOR = 1.5;
const MIN_SPAN_MS = 5_000;

type Fault = (plan: FaultPlan) => void;

/** Each as often as it is listed. */
const FAULTS: readonly Fault[] = [
  crashPeer,
  crashPeer,
  crashPeer,
  crashForGood,
  crashSeed,
  crashReader,
  stopScheduler,
  stopSchedulerAndReaders,
  partition,
  isolateSeeds,
  breakLinks,
  breakLinks,
  delayLinks,
  doubleMessages,
  jumpClocks,
  slowDown,
  fillDisk,
  failOrigin,
  cutOrigin,
  throttleOrigin,
  expireUrls,
  restartHalf,
  setClock,
];

/** When a world's faults are over. */
export function planFaults(world: World, boundMs: number): number {
  const spanMs = Math.max(MIN_SPAN_MS, SPAN_FACTOR * boundMs);
  const plan = new FaultPlan(world, START_MS + spanMs);
  for (const host of world.peers) {
    host.isLiar = world.random() < 0.05;
    // Nobody owes it anything once it is found out.
    if (host.isLiar) world.unfinished.delete(host);
  }
  const count = 3 + Math.floor(world.random() * 8);
  for (let drawn = 0; drawn < count; drawn += 1) {
    world.agenda.at(START_MS + world.random() * spanMs * 0.8, () => plan.draw());
  }
  world.agenda.at(plan.endMs, () => plan.healAll());
  return plan.endMs;
}

class FaultPlan {
  readonly world: World;
  readonly endMs: number;
  /** Hosts that do not come back. */
  readonly dead = new Set<SimHost>();

  constructor(world: World, endMs: number) {
    this.world = world;
    this.endMs = endMs;
  }

  draw(): void {
    const fault = FAULTS[Math.floor(this.world.random() * FAULTS.length)];
    this.world.checks.faults += 1;
    this.world.trace.note(this.world.checks.faults, fault ? FAULTS.indexOf(fault) : -1);
    fault?.(this);
  }

  /** After a while, but within the time of the faults. */
  later(run: () => void): void {
    const { agenda, random } = this.world;
    const leftMs = this.endMs - agenda.nowMs;
    agenda.after(random() * random() * leftMs * 0.9, run);
  }

  peer(): SimHost | undefined {
    return anyOf(this.world.peers, this.world.random);
  }

  crash(host: SimHost): void {
    host.crash();
    this.later(() => this.restart(host));
  }

  restart(host: SimHost): void {
    if (this.dead.has(host)) return;
    this.world.checks.faults += 1;
    host.start();
  }

  healAll(): void {
    const { world } = this;
    world.origin.isFailing = false;
    world.origin.throttledUntilMs = 0;
    if (!world.scheduler.isUp) world.scheduler.start();
    setCutOff(world, () => false);
    for (const host of world.hosts) {
      host.isDiskFull = false;
      for (const link of host.session?.exchange.links.values() ?? []) {
        link.delay(0);
        link.double(false);
      }
      if (!this.dead.has(host)) host.start();
    }
  }
}

function anyOf(hosts: readonly SimHost[], random: () => number): SimHost | undefined {
  return hosts[Math.floor(random() * hosts.length)];
}

function crashPeer(plan: FaultPlan): void {
  const peer = plan.peer();
  if (peer) plan.crash(peer);
}

function crashForGood(plan: FaultPlan): void {
  const peer = plan.peer();
  if (!peer) return;
  peer.crash();
  plan.dead.add(peer);
  plan.world.unfinished.delete(peer);
}

function crashSeed(plan: FaultPlan): void {
  const seed = anyOf(plan.world.seeds, plan.world.random);
  if (seed) plan.crash(seed);
}

function crashReader(plan: FaultPlan): void {
  const readers = plan.world.hosts.filter(({ session }) => (session?.reader.leaseEpoch ?? 0) > 0);
  const reader = anyOf(readers, plan.world.random);
  if (reader) plan.crash(reader);
}

function stopScheduler(plan: FaultPlan): void {
  const { scheduler } = plan.world;
  scheduler.stop();
  plan.later(() => {
    if (!scheduler.isUp) scheduler.start();
  });
}

/** The rest must elect somebody to read on. */
function stopSchedulerAndReaders(plan: FaultPlan): void {
  stopScheduler(plan);
  for (const host of plan.world.hosts) if ((host.session?.reader.leaseEpoch ?? 0) > 0) plan.crash(host);
}

function partition(plan: FaultPlan): void {
  const { random } = plan.world;
  const share = random();
  setCutOff(plan.world, () => random() < share);
  plan.later(() => setCutOff(plan.world, () => false));
}

function isolateSeeds(plan: FaultPlan): void {
  setCutOff(plan.world, (host) => host.info.role === 'seed');
  plan.later(() => setCutOff(plan.world, () => false));
}

/** Puts hosts on one side or the other; the scheduler stays where it is. */
function setCutOff(world: World, isCutOff: (host: SimHost) => boolean): void {
  for (const host of world.hosts) host.isCutOff = isCutOff(host);
  for (const host of world.hosts) {
    for (const link of host.session?.exchange.links.values() ?? []) link.follow();
    host.session?.attendance.follow();
  }
}

/** A message was lost for good: the connection is at its end. */
function breakLinks(plan: FaultPlan): void {
  const peer = plan.peer();
  for (const link of peer?.session?.exchange.links.values() ?? []) {
    if (plan.world.random() < 0.5) link.break();
  }
}

function delayLinks(plan: FaultPlan): void {
  const peer = plan.peer();
  const links = [...(peer?.session?.exchange.links.values() ?? [])];
  const delayMs = plan.world.random() * 2_000;
  for (const link of links) link.delay(delayMs);
  plan.later(() => {
    for (const link of links) link.delay(0);
  });
}

/** As when what was sent is sent again because nobody knows whether it arrived; also to and from the scheduler. */
function doubleMessages(plan: FaultPlan): void {
  const { session } = plan.peer() ?? {};
  const links = [...(session?.exchange.links.values() ?? [])];
  if (session?.attendance.link) links.push(session.attendance.link);
  for (const link of links) link.double(true);
  plan.later(() => {
    for (const link of links) link.double(false);
  });
}

/** Of some hosts the time of day is set, up to an hour forth or half a minute back, and some stood still for a while. */
function jumpClocks(plan: FaultPlan): void {
  const { hosts, random } = plan.world;
  for (const host of hosts) {
    if (random() < 0.3) host.clockErrorMs = random() * 3_630_000 - 30_000;
    if (random() < 0.3) host.session?.jump(random() * random() * 60_000);
  }
}

function slowDown(plan: FaultPlan): void {
  const peer = plan.peer();
  if (!peer) return;
  const { bytesPerMs } = peer.up;
  plan.world.flows.resize(peer.up, bytesPerMs / 20);
  plan.later(() => plan.world.flows.resize(peer.up, bytesPerMs));
}

/** Its download fails, and is started again when there is room. */
function fillDisk(plan: FaultPlan): void {
  const peer = plan.peer();
  if (!peer) return;
  peer.isDiskFull = true;
  plan.later(() => {
    peer.isDiskFull = false;
    plan.restart(peer);
  });
}

function failOrigin(plan: FaultPlan): void {
  const { origin } = plan.world;
  origin.isFailing = true;
  origin.cut();
  plan.later(() => {
    origin.isFailing = false;
  });
}

function cutOrigin(plan: FaultPlan): void {
  plan.world.origin.cut();
}

/** Too many requests, or a quota that is spent: running answers go on. */
function throttleOrigin(plan: FaultPlan): void {
  const { agenda, origin, random } = plan.world;
  origin.throttledUntilMs = agenda.nowMs + random() * (plan.endMs - agenda.nowMs);
}

/** The signed URLs are not good any more: who asks next must have a new one first. */
function expireUrls(plan: FaultPlan): void {
  const { origin } = plan.world;
  origin.urlAge += 1;
  origin.cut();
}

/** As when a rack loses power: many come back at once. */
function restartHalf(plan: FaultPlan): void {
  const { agenda, peers, random } = plan.world;
  const half = peers.filter(() => random() < 0.5);
  for (const peer of half) peer.crash();
  agenda.after(random() * 3_000, () => {
    for (const peer of half) plan.restart(peer);
  });
}

/** A scheduler starts again with the time of day set back or forth, and so with epochs that do not rise. */
function setClock(plan: FaultPlan): void {
  const { scheduler, random } = plan.world;
  scheduler.clockErrorMs = (random() - 0.5) * 100_000;
  stopScheduler(plan);
}
