// For tests: a scheduler machine with a clock, and short ways to say things to it.

import {
  Bitfield,
  type ErrorRecord,
  type PeerId,
  type PeerInfo,
  type PeerRole,
  type Range,
  type SnapshotId,
  toErrorRecord,
} from '../core/index.ts';
import {
  createSchedulerState,
  type LeaseClaim,
  type SchedulerEffect,
  type SchedulerEvent,
  type SchedulerOptions,
  type SchedulerState,
  step,
} from './index.ts';

/** A peer id from a number. */
export function peerId(number: number): PeerId {
  return number.toString(16).padStart(32, '0') as PeerId;
}

export function snapshotId(number: number): SnapshotId {
  return number.toString(16).padStart(64, '0') as SnapshotId;
}

export function peerInfo(
  number: number,
  role: PeerRole = 'peer',
  zone = '',
  host = `10.0.0.${number}`,
): PeerInfo {
  const id = peerId(number);
  return {
    id,
    publicKey: new Uint8Array(32),
    host,
    port: 7411,
    role,
    zone,
    hostname: '',
    version: '',
  };
}

/** Wire form of a bitfield with these pieces. */
export function held(pieceCount: number, ...pieces: number[]): Uint8Array {
  const field = new Bitfield(pieceCount);
  for (const piece of pieces) field.add(piece);
  return field.toBytes();
}

export function full(pieceCount: number): Uint8Array {
  return Bitfield.full(pieceCount).toBytes();
}

export const SNAPSHOT = snapshotId(1);
export const PIECES = 8;

export const failure: ErrorRecord = toErrorRecord(new Error('the origin is down'));

export type EffectOf<Kind extends SchedulerEffect['kind']> = Extract<SchedulerEffect, { kind: Kind }>;

export interface JoinOptions {
  readonly held?: Uint8Array;
  readonly pieceCount?: number;
  readonly lease?: LeaseClaim;
  readonly readers?: readonly Uint8Array[];
  readonly totalBytes?: number;
  readonly snapshot?: SnapshotId;
  readonly origin?: string;
}

export class MachineHarness {
  readonly state: SchedulerState;
  nowMs = 1_000_000;
  /** What the last call sent. */
  effects: SchedulerEffect[] = [];

  constructor(options: Partial<SchedulerOptions> = {}) {
    this.state = createSchedulerState({ rngSeed: 1, ...options });
  }

  send(event: SchedulerEvent): SchedulerEffect[] {
    this.effects = step(this.state, event, this.nowMs);
    return this.effects;
  }

  announce(number: number, role?: PeerRole, zone?: string, host?: string): void {
    this.send({ kind: 'announce', peer: peerInfo(number, role, zone, host) });
  }

  join(number: number, options: JoinOptions = {}): SchedulerEffect[] {
    return this.send({
      kind: 'join',
      peer: peerId(number),
      snapshot: SNAPSHOT,
      pieceCount: PIECES,
      held: new Uint8Array(),
      url: 'hf://owner/name',
      origin: 'hub.example',
      totalBytes: 1,
      readers: [],
      lease: undefined,
      ...options,
    });
  }

  /** Announces and joins. */
  enter(
    number: number,
    options: JoinOptions & { role?: PeerRole; zone?: string; host?: string } = {},
  ): SchedulerEffect[] {
    const { role, zone, host, ...rest } = options;
    this.announce(number, role, zone, host);
    return this.join(number, rest);
  }

  gone(number: number): SchedulerEffect[] {
    return this.send({ kind: 'gone', peer: peerId(number) });
  }

  leave(number: number): SchedulerEffect[] {
    return this.send({ kind: 'leave', peer: peerId(number), snapshot: SNAPSHOT });
  }

  holdings(number: number, bytes: Uint8Array, ...heard: number[]): SchedulerEffect[] {
    return this.send({
      kind: 'holdings',
      peer: peerId(number),
      snapshot: SNAPSHOT,
      held: bytes,
      heard: heard.map(peerId),
    });
  }

  leaseDone(number: number, epoch: number, error?: ErrorRecord): SchedulerEffect[] {
    const ended = { kind: 'leaseDone', peer: peerId(number), snapshot: SNAPSHOT, epoch } as const;
    return this.send(error ? { ...ended, error } : ended);
  }

  leaseYielded(number: number, epoch: number, ...spans: Range[]): SchedulerEffect[] {
    return this.send({ kind: 'leaseYielded', peer: peerId(number), snapshot: SNAPSHOT, epoch, spans });
  }

  leaseProgress(number: number, epoch: number, leftPieces: number): SchedulerEffect[] {
    return this.send({ kind: 'leaseProgress', peer: peerId(number), snapshot: SNAPSHOT, epoch, leftPieces });
  }

  suspect(number: number, accused: number): SchedulerEffect[] {
    return this.send({ kind: 'suspect', peer: peerId(number), snapshot: SNAPSHOT, suspect: peerId(accused) });
  }

  throttled(number: number, waitMs: number): SchedulerEffect[] {
    return this.send({ kind: 'throttled', peer: peerId(number), waitMs });
  }

  /** Lets time pass; peers stay alive unless they are named. */
  pass(ms: number, { silent = [] as number[] } = {}): SchedulerEffect[] {
    this.nowMs += ms;
    const quiet = new Set(silent.map(peerId));
    for (const peer of this.state.peers.keys()) if (!quiet.has(peer)) this.send({ kind: 'alive', peer });
    return this.send({ kind: 'tick' });
  }

  /** Effects of one kind of the last call. */
  sent<Kind extends SchedulerEffect['kind']>(kind: Kind): EffectOf<Kind>[] {
    return this.effects.filter((effect): effect is EffectOf<Kind> => effect.kind === kind);
  }

  /** The one lease that the last call granted. */
  get lease(): { to: PeerId; epoch: number; spans: readonly Range[] } | undefined {
    const [lease, second] = this.sent('lease');
    if (second) throw new Error('two leases at once');
    return lease && { to: lease.to, epoch: lease.epoch, spans: lease.spans };
  }

  /** Whom the last call asked for holdings. */
  get asked(): PeerId[] {
    return this.sent('reportHoldings').map(({ to }) => to);
  }
}
