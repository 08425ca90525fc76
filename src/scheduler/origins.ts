// What the cluster may ask of one origin: a budget for all who read it together, shared among them, and the pauses that
// it asked for. An origin is a hub's host; swarms that do not say theirs share one.
//
// Invariants: no more peers hold leases at an origin than connections are allowed; the shares of all add up to the
// budget at most; while an origin has asked for a pause nobody is granted a lease there.

import type { PeerId } from '../core/index.ts';
import type { SchedulerLimits } from './limits.ts';
import type { Origin, Reader, SchedulerState, Step, Swarm } from './state.ts';
import type { SchedulerEvent } from './types.ts';

/** A pause where the origin refused without saying for how long. */
const DEFAULT_PAUSE_MS = 30_000;
/** Longest pause that is believed. */
const MAX_PAUSE_MS = 3_600_000;

export function setReader(step: Step, swarm: Swarm, reader: Reader): void {
  const isNew = !swarm.readers.has(reader.peer);
  swarm.readers.set(reader.peer, reader);
  if (!isNew) return;
  const origin = originOf(step.state, swarm.origin);
  const leases = origin.holders.get(reader.peer) ?? 0;
  origin.holders.set(reader.peer, leases + 1);
  if (leases === 0) tellShares(step, swarm.origin, origin);
}

/** Whether there was one. */
export function dropReader(step: Step, swarm: Swarm, id: PeerId): boolean {
  if (!swarm.readers.delete(id)) return false;
  const origin = originOf(step.state, swarm.origin);
  const leases = (origin.holders.get(id) ?? 1) - 1;
  if (leases > 0) {
    origin.holders.set(id, leases);
    return true;
  }
  origin.holders.delete(id);
  if (origin.holders.size > 0) tellShares(step, swarm.origin, origin);
  else if (step.nowMs >= origin.pausedUntilMs) step.state.origins.delete(swarm.origin);
  return true;
}

function originOf({ origins }: SchedulerState, name: string): Origin {
  const known = origins.get(name);
  if (known) return known;
  const origin: Origin = { holders: new Map(), pausedUntilMs: -Infinity };
  origins.set(name, origin);
  return origin;
}

/** When leases may be granted again. */
export function pausedUntilMs({ state }: Step, swarm: Swarm): number {
  return state.origins.get(swarm.origin)?.pausedUntilMs ?? -Infinity;
}

/** Whether one more peer may read there; one that does already may read more. */
export function mayReadOrigin({ state, nowMs }: Step, swarm: Swarm, peer?: PeerId): boolean {
  const origin = state.origins.get(swarm.origin);
  if (!origin) return true;
  if (nowMs < origin.pausedUntilMs) return false;
  if (peer !== undefined && origin.holders.has(peer)) return true;
  return origin.holders.size < state.limits.originConnections;
}

/** A peer that reads was told to slow down: by the origin of its leases, whichever host of it said so. */
export function throttled(
  step: Step,
  { peer, waitMs }: Extract<SchedulerEvent, { kind: 'throttled' }>,
): void {
  for (const [name, origin] of step.state.origins) {
    if (origin.holders.has(peer)) pause(step, name, origin, waitMs);
  }
}

/** The origin refused a reader of this swarm. */
export function refused(step: Step, swarm: Swarm): void {
  const origin = originOf(step.state, swarm.origin);
  if (step.nowMs >= origin.pausedUntilMs) pause(step, swarm.origin, origin, DEFAULT_PAUSE_MS);
}

function pause(step: Step, name: string, origin: Origin, waitMs: number): void {
  const untilMs = step.nowMs + Math.min(MAX_PAUSE_MS, Math.max(0, waitMs));
  if (!(untilMs > origin.pausedUntilMs)) return;
  origin.pausedUntilMs = untilMs;
  tellShares(step, name, origin);
}

/** Every holder hears its share whenever that changes. Without a budget and a pause there is nothing to say. */
function tellShares({ state, nowMs, effects }: Step, name: string, origin: Origin): void {
  const pauseMs = Math.max(0, origin.pausedUntilMs - nowMs);
  if (pauseMs === 0 && !hasBudget(state.limits)) return;
  const { originConnections, originBytesPerSecond, originRequestsPerMinute } = state.limits;
  const holders = [...origin.holders.keys()].filter((id) => state.peers.has(id));
  for (const [at, to] of holders.entries()) {
    effects.push({
      kind: 'originShare',
      to,
      origin: name,
      connections: shareOf(originConnections, holders.length, at),
      bytesPerSecond: shareOf(originBytesPerSecond, holders.length, at),
      requestsPerMinute: shareOf(originRequestsPerMinute, holders.length, at),
      pauseMs,
    });
  }
}

function hasBudget({
  originConnections,
  originBytesPerSecond,
  originRequestsPerMinute,
}: SchedulerLimits): boolean {
  return [originConnections, originBytesPerSecond, originRequestsPerMinute].some(
    (limit) => limit !== Infinity,
  );
}

/** The parts differ by one at most, and add up to the whole. */
function shareOf(whole: number, parts: number, at: number): number | undefined {
  if (whole === Infinity) return undefined;
  return Math.floor(whole / parts) + (at < whole % parts ? 1 : 0);
}

/** Origins that nobody reads and that asked for nothing are forgotten. */
export function forgetOrigins({ origins }: SchedulerState, nowMs: number): void {
  for (const [name, origin] of origins) {
    if (origin.holders.size === 0 && nowMs >= origin.pausedUntilMs) origins.delete(name);
  }
}
