// What a join costs the scheduler's machine, whatever the number of members.

import type { PeerId, PeerInfo, SnapshotId } from '../core/index.ts';
import { createSchedulerState, type SchedulerEvent, step } from '../scheduler/index.ts';

const PIECES = 8_000;

export interface JoinCosts {
  readonly joins: number;
  /** Over the first and the last tenth: equal where a join's cost does not grow with the members. */
  readonly firstPerSecond: number;
  readonly lastPerSecond: number;
  readonly messagesPerJoin: number;
}

/** Announces and joins so many peers of three zones, one after another, on this thread. */
export function measureJoins(joins: number, nowMs: () => number): JoinCosts {
  const state = createSchedulerState({ rngSeed: 1 });
  const tenth = Math.max(1, Math.floor(joins / 10));
  const marksMs: number[] = [];
  let messages = 0;
  for (let at = 0; at < joins; at += 1) {
    if (at % tenth === 0) marksMs.push(nowMs());
    for (const event of eventsOf(at)) messages += 1 + step(state, event, at / 10).length;
  }
  marksMs.push(nowMs());
  const perSecond = (part: number): number =>
    Math.round((tenth * 1000) / ((marksMs[part + 1] ?? Number.NaN) - (marksMs[part] ?? Number.NaN)));
  const messagesPerJoin = messages / joins;
  return { joins, firstPerSecond: perSecond(0), lastPerSecond: perSecond(9), messagesPerJoin };
}

function eventsOf(at: number): SchedulerEvent[] {
  const id = at.toString(16).padStart(32, '0') as PeerId;
  const snapshot = '0'.repeat(64) as SnapshotId;
  const peer: PeerInfo = {
    id,
    publicKey: new Uint8Array(32),
    host: 'sim',
    port: 1,
    role: at === 0 ? 'seed' : 'peer',
    zone: `zone-${at % 3}`,
    hostname: `host-${at}`,
    version: 'sim',
  };
  const facts = { pieceCount: PIECES, totalBytes: PIECES, url: 'sim://model', origin: 'sim', readers: [] };
  return [
    { kind: 'announce', peer },
    { kind: 'join', peer: id, snapshot, ...facts, held: new Uint8Array(), lease: undefined },
  ];
}
